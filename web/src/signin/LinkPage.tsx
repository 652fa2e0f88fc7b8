import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useNavigate, useSearch } from '@tanstack/react-router';

import { openLink } from '@/api/changes';
import { setCsrfToken } from '@/api/client';
import { isTransient } from '@/api/errors';
import { keys } from '@/api/queries';
import type { Me } from '@/api/types';
import { t } from '@/messages';
import { Problem } from '@/ui';

import { Card } from './Card';
import { PasswordForm } from './PasswordForm';
import { WelcomeForm } from './WelcomeForm';

/** Where a one-time link leads: to the first account, or to a new password, as the link itself says. */
export function LinkPage() {
  const { token } = useSearch({ strict: false });
  const navigate = useNavigate();
  const client = useQueryClient();
  const link = useQuery({
    queryKey: ['link', token],
    queryFn: () => openLink(token ?? ''),
    enabled: token !== undefined,
    staleTime: Infinity,
  });
  const enter = (me: Me) => {
    setCsrfToken(me.csrf_token);
    client.setQueryData(keys.me, me);
    void client.invalidateQueries({ queryKey: ['info'] });
    void navigate({ to: '/recordings', replace: true });
  };

  if (token === undefined) {
    return (
      <Card title={t.welcome.badLink}>
        <Problem title={t.welcome.missingLink} message={t.welcome.missingLinkText} />
        <ToSignIn />
      </Card>
    );
  }
  if (link.isError) {
    return (
      <Card title={isTransient(link.error) ? t.welcome.linkFailed : t.welcome.badLink}>
        {isTransient(link.error) ? (
          <Problem title={t.noServer} error={link.error} onRetry={() => void link.refetch()} />
        ) : (
          <Problem title={t.welcome.badLinkProblem} error={link.error} copy={false} />
        )}
        <ToSignIn />
      </Card>
    );
  }
  if (!link.data) return <Card title={t.welcome.checking}>{null}</Card>;
  return link.data.purpose === 'first_administrator' ? (
    <Card title={t.welcome.title}>
      <WelcomeForm token={token} email={link.data.email ?? ''} onSignedIn={enter} />
    </Card>
  ) : (
    <Card title={t.welcome.setPassword}>
      <PasswordForm token={token} email={link.data.email} onSignedIn={enter} />
    </Card>
  );
}

/** Whoever has a password already goes on from here. */
function ToSignIn() {
  return (
    <p>
      <Link to="/login">{t.welcome.toSignIn}</Link>
    </p>
  );
}
