import { ChevronsDown, Keyboard, Pause, Play, RotateCcw, RotateCw } from 'lucide-react';
import { useCallback, useEffect, useRef, useState } from 'react';

import type { ApiError } from '@/api/errors';
import type { Recording } from '@/api/types';
import { clock } from '@/format/time';
import { t } from '@/messages';
import { RATES } from '@/player/player';
import { savedPosition } from '@/player/positions';
import { player, usePlayer } from '@/player/use';
import { useOnline } from '@/shell/useOnline';
import { announce, Button, Problem } from '@/ui';
import { IconButton, Select } from '@/ui/shell';

import styles from './Player.module.css';
import type { SoundOfPage } from './useSound';
import { Wave } from './Wave';

interface Props {
  recording: Pick<Recording, 'id' | 'duration_seconds'>;
  peaksReady: boolean;
  ready: boolean;
  sound: SoundOfPage;
  following: boolean;
  onFollow: (on: boolean) => void;
  onKeys: () => void;
}

export function PlayerBar({ recording, ready, peaksReady, sound, following, onFollow, onKeys }: Props) {
  const { problem, rate, renewals } = usePlayer();
  const online = useOnline();
  const duration = recording.duration_seconds ?? 0;
  useEffect(() => {
    if (renewals > 0) announce(t.player.renewed);
  }, [renewals]);

  return (
    <section className={styles['player']} aria-label={t.player.label}>
      {duration > 0 && <Wave id={recording.id} duration={duration} peaksReady={peaksReady} sound={sound} />}
      <div className={styles['controls']}>
        <IconButton
          icon={sound.playing ? Pause : Play}
          label={sound.playing ? t.player.pause : t.player.play}
          onClick={sound.toggle}
          variant="filled"
          size={48}
          disabled={!ready}
        />
        <IconButton icon={RotateCcw} figure={10} label={t.player.back(10)} onClick={() => void sound.seek(sound.now() - 10)} size={44} disabled={!ready} />
        <IconButton icon={RotateCw} figure={30} label={t.player.forward(30)} onClick={() => void sound.seek(sound.now() + 30)} size={44} disabled={!ready} />
        <PlayerClock duration={duration} sound={sound} />
        <Select
          className={styles['speed']}
          label={t.player.speed}
          value={String(rate)}
          onChange={(value) => player.setRate(Number(value))}
          data={RATES.map((value) => ({ value: String(value), label: t.player.speedValue(value) }))}
        />
        <IconButton icon={ChevronsDown} label={t.player.follow} onClick={() => onFollow(!following)} pressed={following} className={styles['follow']} size={44} />
        <span className={styles['keys']}>
          <IconButton icon={Keyboard} label={t.player.keys} onClick={onKeys} size={44} />
        </span>
        {ready && <Resume id={recording.id} sound={sound} />}
      </div>
      {!ready && <p className={styles['note']}>{t.player.notReady}</p>}
      {ready && !online && <p className={styles['note']}>{t.player.offline}</p>}
      {sound.here && problem && <Unplayable problem={problem} />}
    </section>
  );
}

/** Why the sound cannot be heard; what a person can do nothing about is said in words of the page. */
function Unplayable({ problem }: { problem: ApiError }) {
  const [title, message] = t.player.unreadable[problem.code] ?? [t.player.failed, null];
  return <Problem small title={title} message={message} error={problem} onRetry={() => void player.play()} />;
}

function PlayerClock({ duration, sound }: { duration: number; sound: SoundOfPage }) {
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
    <span className={styles['clock']}>
      <time ref={element} data-clock>
        0:00
      </time>{' '}
      <span>
        / <time>{clock(duration)}</time>
      </span>
    </span>
  );
}

const NEAR_SECONDS = 3;

/** Offers the place where listening stopped last time; gone once it plays. */
function Resume({ id, sound }: { id: string; sound: SoundOfPage }) {
  const [at] = useState(() => savedPosition(id));
  const [used, setUsed] = useState(false);
  if (at === null || used || sound.playing || Math.abs(sound.now() - at) < NEAR_SECONDS) return null;
  const go = () => {
    setUsed(true);
    void sound.seek(at, true);
  };
  return (
    <Button variant="light" onClick={go} className={styles['resume'] ?? ''}>
      {t.player.goOn(clock(at))}
    </Button>
  );
}
