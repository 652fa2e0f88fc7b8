import { Link } from '@tanstack/react-router';
import { CircleAlert, Clock3, Play, Volume2 } from 'lucide-react';
import { Fragment } from 'react';

import { clock } from '@/format/time';
import { t } from '@/messages';
import { IconButton } from '@/ui/shell';

import { isMoving, type Session, type SessionPart } from './queries';
import styles from './Session.module.css';
import type { SessionSound } from './useSessionSound';

/** Every part with its place, its state and the way to its own page; what is missing stands where it belongs. */
export function Parts({ session, sound }: { session: Session; sound: SessionSound }) {
  const heard = session.parts[sound.state.part]?.part_number;
  return (
    <section aria-label={t.session.parts} className={styles['parts']}>
      <h2>{t.session.parts}</h2>
      <ol>
        {session.parts.map((part, index) => (
          <Fragment key={part.recording_id}>
            <Missing session={session} before={index} />
            <PartRow part={part} current={part.part_number === heard} sound={sound} underway={isMoving(session)} />
          </Fragment>
        ))}
      </ol>
    </section>
  );
}

function Missing({ session, before }: { session: Session; before: number }) {
  const from = session.parts[before - 1]?.part_number ?? 0;
  const to = session.parts[before]?.part_number ?? 0;
  const missing = session.missing_part_numbers.filter((number) => number > from && number < to);
  if (missing.length === 0) return null;
  return (
    <li className={styles['missing']}>
      <CircleAlert size={20} strokeWidth={1.75} aria-hidden />
      {t.session.missing(missing)}
    </li>
  );
}

interface RowProps {
  part: SessionPart;
  current: boolean;
  sound: SessionSound;
  /** Something of the session is still being done. */
  underway: boolean;
}

function PartRow({ part, current, sound, underway }: RowProps) {
  const { part_number: number, playback_ready: ready } = part;
  const name = part.title ?? part.filename;
  return (
    <li className={styles['part']} aria-current={current ? 'true' : undefined}>
      {ready ? (
        <IconButton
          icon={current && sound.playing ? Volume2 : Play}
          label={t.session.playPart(number)}
          onClick={() => void sound.seek(part.start_seconds, true)}
          size={44}
        />
      ) : (
        <span className={styles['waiting']} data-failed={part.status === 'failed' || undefined}>
          {part.status === 'failed' ? (
            <CircleAlert size={20} strokeWidth={1.75} aria-hidden />
          ) : (
            <Clock3 size={20} strokeWidth={1.75} aria-hidden />
          )}
        </span>
      )}
      <div className={styles['partText']}>
        <p>
          <Link
            to="/recordings/$id"
            params={{ id: part.recording_id }}
            aria-label={t.session.openPart(number, name)}
            className={styles['partName']}
          >
            <bdi>{name}</bdi>
          </Link>
        </p>
        <p className={styles['partFacts']}>
          {t.session.part(number)} · {clock(part.start_seconds)}
          {part.duration_seconds !== null && `–${clock(part.start_seconds + part.duration_seconds)}`}
          {!ready && ` · ${stateOf(part, underway)}`}
        </p>
        {part.status === 'failed' && part.processing_error && (
          <p className={styles['partProblem']} dir="auto">
            {part.processing_error}
          </p>
        )}
      </div>
    </li>
  );
}

function stateOf(part: SessionPart, underway: boolean): string {
  const { state } = t.session;
  const isDone = part.status === 'transcribed' || part.status === 'processed';
  // Encrypted by its app, or with its sound not kept: nothing is waited for.
  if (isDone && !underway) return state.soundless;
  return part.status in state ? state[part.status as keyof typeof state] : state.processing;
}
