import { welcome } from '@/api/changes';
import type { Me } from '@/api/types';
import { t } from '@/messages';
import { Button, PasswordInput, Problem, TextInput } from '@/ui';

import styles from './SignIn.module.css';
import { useForm } from './useForm';

interface Props {
  token: string;
  email: string;
  onSignedIn: (me: Me) => void;
}

export function WelcomeForm({ token, email, onSignedIn }: Props) {
  const { field, submit, busy, error } = useForm(
    { organization: '', name: '', email, password: '' },
    (values) =>
      welcome({
        token,
        organization_name: values.organization,
        name: values.name.trim() || null,
        email: values.email,
        password: values.password,
      }),
    onSignedIn,
  );
  return (
    <form className={styles['form']} onSubmit={submit}>
      <p>{t.welcome.text}</p>
      <TextInput
        label={t.welcome.organization}
        name="organization"
        autoComplete="organization"
        required
        withAsterisk={false}
        size="md"
        {...field('organization')}
      />
      <TextInput
        label={`${t.welcome.name} (${t.welcome.optional})`}
        name="name"
        autoComplete="name"
        size="md"
        {...field('name')}
      />
      <TextInput
        label={t.signIn.email}
        type="email"
        name="email"
        autoComplete="username"
        required
        withAsterisk={false}
        size="md"
        {...field('email')}
      />
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
        {t.welcome.submit}
      </Button>
    </form>
  );
}
