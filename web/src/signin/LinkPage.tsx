import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useSearch } from '@tanstack/react-router';

import { openLink } from '@/api/changes';
import { setCsrfToken } from '@/api/client';
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
        <Problem title={t.welcome.missingLink} message={t.welcome.badLinkText} />
      </Card>
    );
  }
  if (link.isError) {
    return (
      <Card title={t.welcome.badLink}>
        <Problem title={t.welcome.badLinkText} error={link.error} onRetry={() => void link.refetch()} />
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
