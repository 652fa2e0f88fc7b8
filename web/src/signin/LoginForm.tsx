import { useState, type SyntheticEvent } from 'react';

import { signIn } from '@/api/changes';
import type { Me } from '@/api/types';
import { t } from '@/messages';
import { Button, PasswordInput, Problem, TextInput } from '@/ui';

import styles from './SignIn.module.css';

interface Props {
  email?: string;
  onSignedIn: (me: Me) => void;
}

export function LoginForm({ email: known = '', onSignedIn }: Props) {
  const [email, setEmail] = useState(known);
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);

  const submit = async (event: SyntheticEvent) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      onSignedIn(await signIn(email, password));
    } catch (problem) {
      setError(problem);
    } finally {
      setBusy(false);
    }
  };

  return (
    <form className={styles['form']} onSubmit={(event) => void submit(event)}>
      <TextInput
        label={t.signIn.email}
        type="email"
        name="email"
        autoComplete="username"
        required
        withAsterisk={false}
        size="md"
        value={email}
        onChange={(event) => setEmail(event.currentTarget.value)}
      />
      <PasswordInput
        label={t.signIn.password}
        name="password"
        autoComplete="current-password"
        data-autofocus={known !== '' || undefined}
        required
        withAsterisk={false}
        size="md"
        value={password}
        onChange={(event) => setPassword(event.currentTarget.value)}
        visibilityToggleButtonProps={{ 'aria-label': t.signIn.showPassword, tabIndex: 0, 'aria-hidden': false }}
      />
      <div role="alert">{error !== null && <Problem small copy={false} title={t.signIn.failed} error={error} />}</div>
      <Button type="submit" variant="filled" size="md" fullWidth disabled={busy}>
        {busy ? t.signIn.submitting : t.signIn.submit}
      </Button>
    </form>
  );
}
