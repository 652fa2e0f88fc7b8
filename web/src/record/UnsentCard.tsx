import type { UnsentPhase, UnsentRecording } from '@reelkeep/client';
import { Link } from '@tanstack/react-router';
import { useEffect, useState } from 'react';

import { fileSize } from '@/format/bytes';
import { clock, dateAndTime } from '@/format/time';
import { t } from '@/messages';
import { Button } from '@/ui';
import { Progress } from '@/ui/shell';

import { deviceClient } from './device';
import { DiscardButton } from './DiscardButton';
import styles from './Record.module.css';

interface Props {
  recording: UnsentRecording;
  /** Without its name and time: its page says them already. */
  bare?: boolean;
}

export const nameOf = (recording: UnsentRecording) =>
  recording.title ?? (recording.kind === 'file' ? recording.filename : t.record.untitled(dateAndTime(isoOf(recording))));

const isoOf = (recording: UnsentRecording) => new Date(recording.startedAt).toISOString();

/** One recording that this device holds: where it is on its way, and everything that can be done with it. */
export function UnsentCard({ recording, bare = false }: Props) {
  const { phase, problem, progress, kind } = recording;
  const moving = phase === 'sending' || phase === 'waiting' || phase === 'recording';
  return (
    <article className={styles['card']} data-phase={phase} aria-label={nameOf(recording)}>
      {!bare && <Head recording={recording} />}
      <p className={styles['phase']} data-phase={phase}>
        <PhaseWords recording={recording} />
      </p>
      {moving && phase !== 'recording' && <Progress value={progress} label={t.record.progressOf(nameOf(recording))} />}
      {problem && (
        <p className={styles['problem']}>
          {problem.message} <span className={styles['code']}>{problem.code}</span>
        </p>
      )}
      {recording.gaps.length > 0 && <p className={styles['hint']}>{t.record.gaps(recording.gaps.length)}</p>}
      {kind === 'recording' && phase !== 'recording' && <Actions recording={recording} />}
    </article>
  );
}

function Head({ recording }: { recording: UnsentRecording }) {
  const facts = [
    recording.seconds === null ? null : clock(recording.seconds),
    fileSize(recording.bytes),
    recording.foundAfterClose ? t.record.foundAfterClose : null,
  ];
  return (
    <>
      <h2 className={styles['name']}>
        <bdi>{nameOf(recording)}</bdi>
      </h2>
      <p className={styles['hint']}>
        {dateAndTime(isoOf(recording))} · {facts.filter(Boolean).join(' · ')}
      </p>
    </>
  );
}

const WORDS: Record<Exclude<UnsentPhase, 'needs-sign-in' | 'sending'>, string> = {
  recording: t.record.phases.recording,
  'on-device': t.record.phases.onDevice,
  waiting: t.record.phases.waiting,
  'needs-file': t.record.phases.needsFile,
  refused: t.record.phases.refused,
  safe: t.record.phases.safe,
};

function PhaseWords({ recording }: { recording: UnsentRecording }) {
  const { phase, owner, progress } = recording;
  if (phase === 'needs-sign-in') return <>{t.record.belongsTo(owner?.userName ?? null)}</>;
  if (phase === 'sending') return <>{t.record.phases.sending(Math.floor(progress * 100))}</>;
  return <>{WORDS[phase]}</>;
}

function Actions({ recording }: { recording: UnsentRecording }) {
  const { id, phase, recordingIds, mine } = recording;
  const [first] = recordingIds;
  if (phase === 'safe') {
    return (
      <div className={styles['actions']}>
        {first !== undefined && (
          <Link to="/recordings/$id" params={{ id: first }} className={styles['open']}>
            {t.record.openSafe}
          </Link>
        )}
        <Button variant="subtle" onClick={() => void deviceClient().dismiss(id)}>
          {t.dismiss}
        </Button>
      </div>
    );
  }
  return (
    <div className={styles['actions']}>
      {mine && phase !== 'sending' && <Button onClick={() => void deviceClient().sendUnsent(id)}>{t.record.send}</Button>}
      {mine && <Listen id={id} />}
      {mine && <Button onClick={() => void deviceClient().saveAs(id)}>{t.record.saveFile}</Button>}
      {mine && <DiscardButton name={nameOf(recording)} onDiscard={() => void deviceClient().discard(id)} />}
    </div>
  );
}

/** The sound as it lies here, part after part. */
function Listen({ id }: { id: string }) {
  const [urls, setUrls] = useState<readonly string[]>([]);
  const [failed, setFailed] = useState(false);
  useEffect(() => () => urls.forEach((url) => URL.revokeObjectURL(url)), [urls]);
  const open = () =>
    deviceClient()
      .openLocal(id)
      .then((parts) => setUrls(parts.map((part) => URL.createObjectURL(part))))
      .catch(() => setFailed(true));
  if (failed) return <span role="alert">{t.record.listenFailed}</span>;
  if (urls.length === 0) return <Button onClick={() => void open()}>{t.record.listen}</Button>;
  return (
    <div className={styles['listen']}>
      {urls.map((url, part) => (
        // eslint-disable-next-line jsx-a11y/media-has-caption -- its words are not written down yet
        <audio key={url} src={url} controls aria-label={t.record.listenPart(part + 1, urls.length)} />
      ))}
    </div>
  );
}
