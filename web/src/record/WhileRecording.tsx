import type { Recorder, RecorderSnapshot } from '@reelkeep/client';
import { Flag, Pause, Play, Sun, SunDim } from 'lucide-react';
import { useEffect, useState } from 'react';

import { clock, spokenDuration } from '@/format/time';
import { t } from '@/messages';

import { Kept } from './Kept';
import { LevelMeter } from './LevelMeter';
import { Marks } from './Marks';
import { MicrophonePicker } from './Pickers';
import styles from './Record.module.css';
import { StopButton } from './StopButton';
import { useRecorderKeys } from './useRecorderKeys';
import { Wave } from './Wave';

interface Props {
  recorder: Recorder;
  snapshot: RecorderSnapshot;
}

export function WhileRecording({ recorder, snapshot }: Props) {
  const still = snapshot.state !== 'recording';
  useRecorderKeys(recorder, snapshot);
  return (
    <>
      <State snapshot={snapshot} />
      <div className={styles['heard']}>
        <Wave recorder={recorder} still={still} />
        <LevelMeter recorder={recorder} snapshot={snapshot} still={still} />
      </div>
      <MicrophonePicker recorder={recorder} snapshot={snapshot} />
      <Kept snapshot={snapshot} />
      <Controls recorder={recorder} snapshot={snapshot} />
      <Marks recorder={recorder} snapshot={snapshot} />
      <ScreenState snapshot={snapshot} />
    </>
  );
}

const WORDS = { recording: t.record.recording, paused: t.record.paused, stopping: t.record.stopping };

function State({ snapshot: { state, seconds, pausedAt } }: { snapshot: RecorderSnapshot }) {
  const paused = state === 'paused';
  return (
    <div>
      <p className={styles['state']} data-paused={state === 'recording' ? undefined : true}>
        <span className={styles['dot']} aria-hidden />
        <span>{WORDS[state as keyof typeof WORDS]}</span>
        {/* The clock counts what is written, so it stands still when nothing is. */}
        <time className={styles['clock']} aria-label={spokenDuration(seconds)}>
          {clock(seconds)}
        </time>
      </p>
      {paused && pausedAt !== null && <PauseClock since={pausedAt} />}
    </div>
  );
}

function PauseClock({ since }: { since: number }) {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, []);
  const seconds = Math.max(0, (now - since) / 1000);
  return <p className={styles['hint']}>{seconds > 600 ? t.record.pausedLong : t.record.pausedFor(clock(seconds))}</p>;
}

function Controls({ recorder, snapshot: { state } }: Props) {
  const paused = state === 'paused';
  const stopping = state === 'stopping';
  return (
    <div className={styles['controls']}>
      <button type="button" className={styles['control']} onClick={() => recorder.mark()} disabled={stopping}>
        <Flag size={20} strokeWidth={1.75} aria-hidden />
        {t.record.mark}
      </button>
      <button
        type="button"
        className={styles['control']}
        onClick={() => (paused ? recorder.resume() : recorder.pause())}
        disabled={stopping}
      >
        {paused ? <Play size={20} strokeWidth={1.75} aria-hidden /> : <Pause size={20} strokeWidth={1.75} aria-hidden />}
        {paused ? t.record.resume : t.record.pause}
      </button>
      <StopButton onStop={() => void recorder.stop()} disabled={stopping} />
    </div>
  );
}

function ScreenState({ snapshot }: { snapshot: RecorderSnapshot }) {
  const Icon = snapshot.screen === 'kept-on' ? Sun : SunDim;
  return (
    <p className={styles['fact']}>
      <Icon size={16} strokeWidth={1.75} aria-hidden /> {t.record.screen[snapshot.screen]}
    </p>
  );
}
