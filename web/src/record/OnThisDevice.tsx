import { Link, useRouterState } from '@tanstack/react-router';
import { Smartphone } from 'lucide-react';
import { useSyncExternalStore } from 'react';

import { clock } from '@/format/time';
import { t } from '@/messages';

import { currentRecorder, useUnsent } from './device';
import styles from './Record.module.css';
import { RecordingTitle } from './RecordingTitle';
import { useDevice } from './useDevice';

/** At the foot of every page: what is being recorded, and what was recorded here and is not safe yet. */
export function OnThisDevice() {
  useDevice();
  const all = useUnsent();
  const here = useRouterState({ select: (state) => state.location.pathname });
  const atHome = here === '/record' || here.startsWith('/record/');
  // What was found has a card of its own on top.
  const unsent = all.filter((one) => one.kind === 'recording' && !one.foundAfterClose && !DONE.has(one.phase));
  return (
    <>
      <RunningRecorder shown={!atHome} />
      {!atHome && unsent.length > 0 && (
        <Link to="/record/unsent" className={styles['strip']} data-needy={unsent.some(needsYou) || undefined}>
          <Smartphone size={20} strokeWidth={1.75} aria-hidden />
          {t.record.strip(unsent.length)}
        </Link>
      )}
    </>
  );
}

const DONE = new Set(['recording', 'safe']);

const needsYou = (one: { phase: string }) => one.phase === 'refused' || one.phase === 'needs-sign-in';

const noRecorder = () => () => undefined;

function RunningRecorder({ shown }: { shown: boolean }) {
  const recorder = currentRecorder();
  const snapshot = useSyncExternalStore(recorder?.subscribe ?? noRecorder, () => recorder?.getSnapshot() ?? null);
  if (snapshot === null || !['recording', 'paused', 'stopping'].includes(snapshot.state)) return null;
  const recording = snapshot.state === 'recording';
  return (
    <>
      <RecordingTitle recording={recording} />
      {shown && (
        <Link to="/record" className={styles['strip']} data-recording={recording || undefined}>
          <span className={styles['dot']} aria-hidden />
          {snapshot.state === 'paused' ? t.record.paused : t.record.recording}
          <span className={styles['clock']}>{clock(snapshot.seconds)}</span>
        </Link>
      )}
    </>
  );
}
