import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query';

import { setPolicies } from '@/api/changes';
import { keys, meQuery } from '@/api/queries';
import { t } from '@/messages';
import { announce, PageTitle, Problem } from '@/ui';
import { Skeleton, Switch, toast } from '@/ui/shell';

import { policiesQuery } from './queries';
import styles from './Settings.module.css';

/** What an administrator decides for everybody in the organization. */
export function SettingsView() {
  const policies = useQuery(policiesQuery);
  const { data: me } = useQuery(meQuery);
  return (
    <div className={styles['page']}>
      <PageTitle name={t.settings.title} />
      {me && <p className="muted">{t.settings.of(me.organization.name)}</p>}
      {policies.isPending && <Skeleton rows={2} kind="line" />}
      {policies.isError && (
        <Problem title={t.settings.failed} error={policies.error} onRetry={() => void policies.refetch()} small={policies.data !== undefined} />
      )}
      {policies.data && <SharedComputers on={policies.data.shared_computers} />}
    </div>
  );
}

function SharedComputers({ on }: { on: boolean }) {
  const client = useQueryClient();
  const change = useMutation({
    mutationFn: (wanted: boolean) => setPolicies({ shared_computers: wanted }),
    onSuccess: (policies) => {
      client.setQueryData(policiesQuery.queryKey, policies);
      announce(t.settings.saved);
      return client.invalidateQueries({ queryKey: keys.me });
    },
    onError: (error) => toast.fail(t.settings.notSaved, error),
  });
  const shown = change.isPending ? change.variables : on;
  return (
    <section className={styles['section']} aria-labelledby="settings-recording">
      <h2 id="settings-recording">{t.settings.recording}</h2>
      <Switch
        label={t.settings.sharedComputers}
        description={t.settings.sharedComputersHint}
        size="md"
        checked={shown}
        disabled={change.isPending}
        onChange={(event) => change.mutate(event.currentTarget.checked)}
      />
      <ul className={styles['facts']}>
        {t.settings.sharedComputersFacts.map((fact) => (
          <li key={fact}>{fact}</li>
        ))}
      </ul>
    </section>
  );
}
