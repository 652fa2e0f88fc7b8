import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link, useRouterState } from '@tanstack/react-router';
import { Smartphone } from 'lucide-react';
import { useEffect, useSyncExternalStore } from 'react';

import { keys, meQuery } from '@/api/queries';
import { clock } from '@/format/time';
import { t } from '@/messages';
import { announce } from '@/ui';

import { currentRecorder, deviceClient, ownerOf, useUnsent } from './device';
import styles from './Record.module.css';
import { nameOf } from './UnsentCard';

/** On every page: what is being recorded, and what was recorded here and is not safe yet. */
export function OnThisDevice() {
  const { data: me } = useQuery(meQuery);
  const client = useQueryClient();
  const all = useUnsent();
  const here = useRouterState({ select: (state) => state.location.pathname });
  useEffect(() => deviceClient().setOwner(me ? ownerOf(me) : null), [me]);
  useEffect(
    () =>
      deviceClient().on('safe', (one) => {
        announce(t.record.announceSafe(nameOf(one)));
        void client.invalidateQueries({ queryKey: keys.lists });
      }),
    [client],
  );
  if (here.startsWith('/record') && !here.startsWith('/recordings')) return null;
  const unsent = all.filter((one) => one.kind === 'recording' && one.phase !== 'recording' && one.phase !== 'safe');
  return (
    <>
      <RunningRecorder />
      {unsent.length > 0 && (
        <Link to="/record/unsent" className={styles['strip']} data-needy={unsent.some(needsYou) || undefined}>
          <Smartphone size={20} strokeWidth={1.75} aria-hidden />
          {t.record.strip(unsent.length)}
        </Link>
      )}
    </>
  );
}

const needsYou = (one: { phase: string }) => one.phase === 'refused' || one.phase === 'needs-sign-in';

const noRecorder = () => () => undefined;

function RunningRecorder() {
  const recorder = currentRecorder();
  const snapshot = useSyncExternalStore(recorder?.subscribe ?? noRecorder, () => recorder?.getSnapshot() ?? null);
  if (snapshot === null || !['recording', 'paused', 'stopping'].includes(snapshot.state)) return null;
  return (
    <Link to="/record" className={styles['strip']} data-recording={snapshot.state === 'recording' || undefined}>
      <span className={styles['dot']} aria-hidden />
      {snapshot.state === 'paused' ? t.record.paused : t.record.recording}
      <span className={styles['clock']}>{clock(snapshot.seconds)}</span>
    </Link>
  );
}
