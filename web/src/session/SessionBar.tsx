import { ChevronsDown, Keyboard, Pause, Play, RotateCcw, RotateCw } from 'lucide-react';
import { useCallback, useEffect, useRef } from 'react';

import { clock, spokenDuration } from '@/format/time';
import { t } from '@/messages';
import { RATES } from '@/player/player';
import { player, usePlayer } from '@/player/use';
import playerStyles from '@/recording/Player.module.css';
import { Problem } from '@/ui';
import { IconButton, MiniWave, Select } from '@/ui/shell';

import type { Session } from './queries';
import styles from './Session.module.css';
import type { SessionSound } from './useSessionSound';

interface Props {
  session: Session;
  sound: SessionSound;
  following: boolean;
  onFollow: (on: boolean) => void;
  onKeys: () => void;
}

export function SessionBar({ session, sound, following, onFollow, onKeys }: Props) {
  const { rate } = usePlayer();
  const ready = session.parts.some((part) => part.playback_ready);
  const by = (seconds: number) => () => void sound.seek(sound.now() + seconds);
  return (
    <section className={playerStyles['player']} aria-label={t.player.label}>
      {session.duration_seconds > 0 && <Timeline session={session} sound={sound} />}
      <div className={playerStyles['controls']}>
        <IconButton
          icon={sound.playing ? Pause : Play}
          label={sound.playing ? t.player.pause : t.player.play}
          onClick={sound.toggle}
          variant="filled"
          size={48}
          disabled={!ready}
        />
        <IconButton icon={RotateCcw} figure={10} label={t.player.back(10)} onClick={by(-10)} size={44} disabled={!ready} />
        <IconButton icon={RotateCw} figure={30} label={t.player.forward(30)} onClick={by(30)} size={44} disabled={!ready} />
        <Clock duration={session.duration_seconds} sound={sound} />
        <Select
          className={playerStyles['speed']}
          label={t.player.speed}
          value={String(rate)}
          onChange={(value) => player.setRate(Number(value))}
          data={RATES.map((value) => ({ value: String(value), label: t.player.speedValue(value) }))}
        />
        <IconButton icon={ChevronsDown} label={t.player.follow} onClick={() => onFollow(!following)} pressed={following} className={playerStyles['follow']} size={44} />
        <span className={playerStyles['keys']}>
          <IconButton icon={Keyboard} label={t.player.keys} onClick={onKeys} size={44} />
        </span>
      </div>
      {!ready && <p className={playerStyles['note']}>{t.session.notReady}</p>}
      {sound.state.failed && <Problem small title={t.session.renewFailed} onRetry={sound.toggle} />}
    </section>
  );
}

/** The parts side by side, as wide as they are long, under one real slider. */
function Timeline({ session, sound }: { session: Session; sound: SessionSound }) {
  const slider = useRef<HTMLInputElement>(null);
  const head = useRef<HTMLDivElement>(null);
  const duration = session.duration_seconds;
  const { subscribe, now } = sound;
  const show = useCallback(
    (seconds: number) => {
      head.current?.style.setProperty('inset-inline-start', `${Math.min(100, (seconds / duration) * 100)}%`);
      const input = slider.current;
      if (!input) return;
      const value = String(Math.floor(seconds));
      if (input.value !== value) input.value = value;
      const part = session.parts.findLast((one) => one.start_seconds <= seconds + 0.001);
      const place = t.player.positionText(spokenDuration(seconds), spokenDuration(duration));
      const text = part ? `${place}, ${t.session.nowIn(part.part_number)}` : place;
      if (input.getAttribute('aria-valuetext') !== text) input.setAttribute('aria-valuetext', text);
    },
    [duration, session.parts],
  );
  useEffect(() => {
    show(now());
    return subscribe(show);
  }, [show, now, subscribe]);

  return (
    <div className={`${playerStyles['wave']} ${styles['timeline']}`}>
      <div className={styles['lanes']} aria-hidden>
        {session.parts.map((part) => (
          <div
            key={part.recording_id}
            className={styles['lane']}
            data-ready={part.playback_ready || undefined}
            data-failed={(part.status === 'failed' && !part.playback_ready) || undefined}
            style={{ flexGrow: part.duration_seconds ?? 0 }}
          >
            {part.waveform.length > 0 && <MiniWave bars={part.waveform} />}
            <span className={styles['laneNumber']}>{part.part_number}</span>
          </div>
        ))}
        <div ref={head} className={styles['head']} />
      </div>
      <input
        ref={slider}
        type="range"
        className={playerStyles['slider']}
        aria-label={t.session.position}
        min={0}
        max={Math.max(1, Math.floor(duration))}
        step={1}
        defaultValue={0}
        onInput={(event) => void sound.seek(Number(event.currentTarget.value))}
      />
    </div>
  );
}

function Clock({ duration, sound }: { duration: number; sound: SessionSound }) {
  const element = useRef<HTMLTimeElement>(null);
  const show = useCallback((seconds: number) => {
    const text = clock(seconds);
    if (element.current && element.current.textContent !== text) element.current.textContent = text;
  }, []);
  const { now, subscribe } = sound;
  useEffect(() => {
    show(now());
    return subscribe(show);
  }, [show, now, subscribe]);
  return (
    <span className={playerStyles['clock']}>
      <time ref={element} data-clock>
        0:00
      </time>{' '}
      <span>
        / <time>{clock(duration)}</time>
      </span>
    </span>
  );
}
