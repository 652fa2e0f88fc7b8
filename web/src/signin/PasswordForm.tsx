import { setPassword } from '@/api/changes';
import type { Me } from '@/api/types';
import { t } from '@/messages';
import { Button, PasswordInput, Problem } from '@/ui';

import styles from './SignIn.module.css';
import { useForm } from './useForm';

interface Props {
  token: string;
  email: string | null;
  onSignedIn: (me: Me) => void;
}

export function PasswordForm({ token, email, onSignedIn }: Props) {
  const { field, submit, busy, error } = useForm(
    { password: '' },
    (values) => setPassword(token, values.password),
    onSignedIn,
  );
  return (
    <form className={styles['form']} onSubmit={submit}>
      {email && <p>{t.welcome.setPasswordFor(email)}</p>}
      <input type="hidden" name="username" autoComplete="username" value={email ?? ''} />
      <PasswordInput
        label={t.signIn.password}
        description={t.welcome.passwordHint}
        name="password"
        autoComplete="new-password"
        required
        withAsterisk={false}
        size="md"
        visibilityToggleButtonProps={{ 'aria-label': t.signIn.showPassword, tabIndex: 0, 'aria-hidden': false }}
        {...field('password')}
      />
      <div role="alert">{error !== null && <Problem small copy={false} title={t.welcome.failed} error={error} />}</div>
      <Button type="submit" variant="filled" size="md" fullWidth disabled={busy}>
        {t.welcome.setPasswordSubmit}
      </Button>
    </form>
  );
}
