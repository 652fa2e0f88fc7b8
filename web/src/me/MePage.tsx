import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { LogOut } from 'lucide-react';
import { useId, type ReactNode } from 'react';

import { signOut } from '@/api/changes';
import { infoQuery, meQuery } from '@/api/queries';
import { t } from '@/messages';
import { forgetPositions } from '@/player/positions';
import { player } from '@/player/use';
import { setPreferences, usePreferences } from '@/preferences';
import { leaveDevice } from '@/record/leave';
import { Button, PageTitle, useColorScheme } from '@/ui';
import { SegmentedControl, Switch, toast } from '@/ui/shell';

import styles from './Me.module.css';
import { usePermission } from './usePermission';

export function MePage() {
  const { data: me } = useQuery(meQuery);
  const { data: info } = useQuery(infoQuery);
  const decides = usePermission('policies.manage');
  const { colorScheme, setColorScheme } = useColorScheme();
  const { shortcuts, face } = usePreferences();
  return (
    <div className={styles['page']}>
      <PageTitle name={t.mePage.title} />
      {me && (
        <dl className={styles['who']}>
          <div>
            <dt>{t.account}</dt>
            <dd>
              {me.user.name && <span>{me.user.name} · </span>}
              {me.user.email}
            </dd>
          </div>
          <div>
            <dt>{t.mePage.organization}</dt>
            <dd>
              {me.organization.name}
              {decides && (
                <>
                  {' · '}
                  <Link to="/admin/settings">{t.settings.title}</Link>
                </>
              )}
            </dd>
          </div>
          <div>
            <dt>{t.mePage.role}</dt>
            <dd>{t.mePage.roles[me.role] ?? me.role}</dd>
          </div>
        </dl>
      )}
      <Choice label={t.mePage.theme}>
        {(id) => (
          <SegmentedControl
            aria-labelledby={id}
            value={colorScheme}
            onChange={(value) => setColorScheme(value)}
            data={[
              { value: 'auto', label: t.mePage.auto },
              { value: 'light', label: t.mePage.light },
              { value: 'dark', label: t.mePage.dark },
            ]}
          />
        )}
      </Choice>
      <Choice label={t.mePage.face}>
        {(id) => (
          <SegmentedControl
            aria-labelledby={id}
            value={face}
            onChange={(value) => setPreferences({ face: value === 'serif' ? 'serif' : 'sans' })}
            data={[
              { value: 'sans', label: t.mePage.sans },
              { value: 'serif', label: t.mePage.serif },
            ]}
          />
        )}
      </Choice>
      <Switch
        label={t.mePage.shortcuts}
        description={t.mePage.shortcutsHint}
        size="md"
        checked={shortcuts}
        onChange={(event) => setPreferences({ shortcuts: event.currentTarget.checked })}
      />
      <SignOut />
      {info && <p className={styles['version']}>{t.mePage.version(info.version)}</p>}
    </div>
  );
}

function Choice({ label, children }: { label: string; children: (id: string) => ReactNode }) {
  const id = useId();
  return (
    <div className={styles['choice']}>
      <span id={id}>{label}</span>
      {children(id)}
    </div>
  );
}

function SignOut() {
  const client = useQueryClient();
  const leave = useMutation({
    mutationFn: signOut,
    onSuccess: async () => {
      player.close();
      forgetPositions();
      await leaveDevice();
      client.clear();
      location.assign('/login');
    },
    onError: (error) => toast.fail(t.signIn.signOutFailed, error),
  });
  return (
    <div>
      <Button
        leftSection={<LogOut size={20} strokeWidth={1.75} aria-hidden />}
        onClick={() => leave.mutate()}
        disabled={leave.isPending}
        size="md"
      >
        {t.signIn.signOut}
      </Button>
    </div>
  );
}
