import type { UnsentRecording } from '@reelkeep/client';
import { Link, useRouterState } from '@tanstack/react-router';
import { useState } from 'react';

import { t } from '@/messages';

import { useUnsent } from './device';
import styles from './Record.module.css';
import { UnsentCard } from './UnsentCard';

const SHOWN_MAX = 2;

/** On top of every page: what was found after its page had closed, until it is safe and looked at. */
export function Recovered() {
  const all = useUnsent();
  const here = useRouterState({ select: (state) => state.location.pathname });
  const [met, setMet] = useState<ReadonlySet<string>>(new Set());
  const found = all.filter((one) => needsWords(one) || (met.has(one.id) && one.phase === 'safe'));
  // Once it stood here it stays until it was said to be safe.
  if (found.some(({ id }) => !met.has(id))) setMet(new Set([...met, ...found.map(({ id }) => id)]));
  if (found.length === 0 || here === '/record/unsent') return null;
  return (
    <section className={styles['recovered']} aria-label={t.record.recovered}>
      {found.slice(0, SHOWN_MAX).map((one) => (
        <UnsentCard key={one.id} recording={one} found />
      ))}
      {found.length > SHOWN_MAX && <Link to="/record/unsent">{t.record.allOnDevice(found.length)}</Link>}
    </section>
  );
}

const needsWords = ({ kind, phase, foundAfterClose }: UnsentRecording) =>
  kind === 'recording' && phase !== 'safe' && phase !== 'recording' && foundAfterClose;
