import { Link } from '@tanstack/react-router';
import { Pause, Play } from 'lucide-react';

import type { Recording } from '@/api/types';
import { clock, spokenDuration, timeOfDay } from '@/format/time';
import { t } from '@/messages';
import { savedPosition } from '@/player/positions';
import { player, usePlayer } from '@/player/use';
import { IconButton, MiniWave } from '@/ui/shell';

import { titleOf } from './groups';
import styles from './Library.module.css';
import { StateMark } from './StateMark';

export function RecordingRow({ recording }: { recording: Recording }) {
  const title = titleOf(recording);
  const { duration_seconds: duration } = recording;
  return (
    <li className={styles['row']}>
      <PlayButton recording={recording} title={title} />
      <div className={styles['wave']} data-none={recording.waveform.length === 0 || undefined}>
        <MiniWave bars={recording.waveform} />
      </div>
      <div className={styles['name']}>
        <Link to="/recordings/$id" params={{ id: recording.id }} className={styles['title']}>
          <span dir="auto" className="cut">
            {title}
          </span>
        </Link>
        <span className={styles['facts']}>
          <time dateTime={recording.created_at}>{timeOfDay(recording.created_at)}</time>
          {duration !== null && (
            <>
              {' · '}
              <span aria-hidden>{clock(duration)}</span>
              <span className="visually-hidden">{t.library.length(spokenDuration(duration))}</span>
            </>
          )}
        </span>
      </div>
      <StateMark recording={recording} />
    </li>
  );
}

/** Waveform and length are there: so is, or will be at once, the sound. */
const isPlayable = ({ waveform, duration_seconds, status, media_kept }: Recording) =>
  media_kept &&
  duration_seconds !== null && (waveform.length > 0 || status === 'transcribed' || status === 'processed');

function PlayButton({ recording, title }: { recording: Recording; title: string }) {
  const { sound, playing } = usePlayer();
  const here = sound?.id === recording.id;
  const toggle = async () => {
    if (here) return player.toggle();
    const duration = recording.duration_seconds ?? 0;
    await player.load({ id: recording.id, title, duration }, savedPosition(recording.id) ?? 0);
    await player.play();
  };
  const sounding = here && playing;
  const never = recording.client_encrypted || !recording.media_kept || recording.status === 'failed';
  const mute = `${t.library.play(title)}: ${never ? t.library.cannotPlay : t.library.notPlayable}`;
  return (
    <IconButton
      icon={sounding ? Pause : Play}
      label={sounding ? t.library.pause(title) : isPlayable(recording) ? t.library.play(title) : mute}
      onClick={() => void toggle()}
      disabled={!isPlayable(recording)}
      className={styles['play']}
    />
  );
}
