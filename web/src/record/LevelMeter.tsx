import type { Hearing, Level, Recorder, RecorderSnapshot } from '@reelkeep/client';
import { useEffect, useRef } from 'react';

import { t } from '@/messages';

import styles from './Record.module.css';

const STEPS = 12;
const QUIETEST_DB = -60;

/** 0 to 1 from dBFS. */
export const share = (decibels: number) => Math.min(1, Math.max(0, 1 - decibels / QUIETEST_DB));

interface Props {
  recorder: Recorder;
  snapshot: RecorderSnapshot;
  still?: boolean;
}

/** How loud it is: drawn thirty times a second outside of React, said in words when the words change. */
export function LevelMeter({ recorder, snapshot, still = false }: Props) {
  const bar = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (still) {
      paint(bar.current, { rms: -100, peak: -100 });
      return undefined;
    }
    return recorder.onLevel((level) => paint(bar.current, level));
  }, [recorder, still]);
  const stillSaid = snapshot.state === 'stopping' ? t.record.stoppingMeter : t.record.pausedMeter;
  const said = still ? stillSaid : t.record.hearing[snapshot.hearing];
  return (
    <div className={styles['meter']}>
      <div
        ref={bar}
        className={styles['steps']}
        role="meter"
        aria-label={t.record.meter}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={still ? 0 : HEARD[snapshot.hearing]}
        aria-valuetext={said}
      >
        {Array.from({ length: STEPS }, (_, step) => (
          <span key={step} />
        ))}
      </div>
      <span className={styles['hearing']} data-hearing={still ? undefined : snapshot.hearing} role="status">
        {said}
      </span>
    </div>
  );
}

const HEARD: Record<Hearing, number> = { good: 60, quiet: 25, 'too-loud': 100, nothing: 0, unknown: 0 };

function paint(bar: HTMLDivElement | null, level: Level): void {
  if (!bar) return;
  const lit = Math.round(share(level.rms) * STEPS);
  const held = Math.ceil(share(level.peak) * STEPS) - 1;
  Array.from(bar.children).forEach((step, index) => {
    if (!(step instanceof HTMLElement)) return;
    step.dataset['lit'] = String(index < lit || index === held);
  });
}
