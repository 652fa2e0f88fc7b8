import { Link } from '@tanstack/react-router';
import { Pause, Play, X } from 'lucide-react';
import { useCallback, useRef } from 'react';

import { clock } from '@/format/time';
import { t } from '@/messages';
import { player, usePlayer, useTick } from '@/player/use';
import { IconButton } from '@/ui/shell';

import styles from './MiniPlayer.module.css';

/** The sound that goes on while another page is read; away on the recording's own page, which has its own player. */
export function MiniPlayer({ pageOf }: { pageOf: string | null }) {
  const { sound, playing, problem } = usePlayer();
  if (!sound || sound.id === pageOf) return null;
  return (
    <section className={styles['player']} aria-label={t.player.label}>
      <Line duration={sound.duration} />
      <IconButton
        icon={playing ? Pause : Play}
        label={playing ? t.player.pause : t.player.play}
        onClick={() => player.toggle()}
        variant="filled"
        size={36}
      />
      <Link to="/recordings/$id" params={{ id: sound.id }} className={styles['title']}>
        <span dir="auto" className="cut">
          {sound.title}
        </span>
      </Link>
      {problem ? (
        <span className={styles['problem']}>{t.player.failed}</span>
      ) : (
        <Clock duration={sound.duration} />
      )}
      <IconButton icon={X} label={t.player.stop} onClick={() => player.close()} />
    </section>
  );
}

function Clock({ duration }: { duration: number }) {
  const element = useRef<HTMLTimeElement>(null);
  useTick(
    useCallback((seconds: number) => {
      const text = clock(seconds);
      if (element.current && element.current.textContent !== text) element.current.textContent = text;
    }, []),
  );
  return (
    <span className={styles['clock']}>
      <time ref={element}>0:00</time> / <time>{clock(duration)}</time>
    </span>
  );
}

function Line({ duration }: { duration: number }) {
  const element = useRef<HTMLDivElement>(null);
  useTick(
    useCallback(
      (seconds: number) => {
        element.current?.style.setProperty('transform', `scaleX(${duration > 0 ? Math.min(1, seconds / duration) : 0})`);
      },
      [duration],
    ),
  );
  return <div ref={element} className={styles['line']} aria-hidden />;
}
