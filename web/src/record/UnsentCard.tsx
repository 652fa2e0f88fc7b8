import type { UnsentRecording } from '@reelkeep/client';
import { Link } from '@tanstack/react-router';
import { CircleAlert, CircleCheck, CloudUpload, Smartphone, type LucideIcon } from 'lucide-react';

import { fileSize } from '@/format/bytes';
import { clock, dateAndTime } from '@/format/time';
import { t } from '@/messages';
import { useOnline } from '@/shell/useOnline';
import { Button } from '@/ui';
import { Progress } from '@/ui/shell';

import { deviceClient } from './device';
import { discard } from './discard';
import { DiscardButton } from './DiscardButton';
import { Listen } from './Listen';
import { nameOf, phaseWords, problemOf, shortNameOf, startOf } from './phase';
import styles from './Record.module.css';

interface Props {
  recording: UnsentRecording;
  /** Without its name and time: its page says them already. */
  bare?: boolean;
  /** In one line, and not to be thrown away from here: it stands on another page. */
  found?: boolean;
}

/** One recording that this device holds: where it is on its way, and everything that can be done with it. */
export function UnsentCard({ recording, bare = false, found = false }: Props) {
  const { phase, progress } = recording;
  const problem = problemOf(recording, useOnline());
  const moving = phase === 'sending' || (phase === 'waiting' && progress > 0);
  return (
    <article className={styles['card']} data-phase={phase} data-found={found || undefined} aria-label={nameOf(recording)}>
      {found ? <FoundHead recording={recording} /> : !bare && <Head recording={recording} />}
      <Phase recording={recording} />
      {moving && <Progress value={progress} label={t.record.progressOf(nameOf(recording))} />}
      {problem && (
        <p className={styles['problem']}>
          {problem.message} <span className={styles['code']}>{problem.code}</span>
        </p>
      )}
      {recording.gaps.length > 0 && !found && <p className={styles['hint']}>{t.record.gaps(recording.gaps.length)}</p>}
      {phase !== 'recording' && <Actions recording={recording} discards={!found} dismissed={!bare} />}
    </article>
  );
}

const ICONS: Partial<Record<UnsentRecording['phase'], LucideIcon>> = {
  sending: CloudUpload,
  refused: CircleAlert,
  safe: CircleCheck,
};

function Phase({ recording }: { recording: UnsentRecording }) {
  const online = useOnline();
  const Icon = ICONS[recording.phase] ?? Smartphone;
  return (
    <p className={styles['phase']} data-phase={recording.phase}>
      <Icon size={20} strokeWidth={1.75} aria-hidden />
      <span>{phaseWords(recording, online)}</span>
    </p>
  );
}

const lengthOf = ({ seconds }: UnsentRecording) => (seconds === null ? null : clock(seconds));

function Head({ recording }: { recording: UnsentRecording }) {
  const facts = [
    recording.title === null ? null : dateAndTime(startOf(recording)),
    lengthOf(recording),
    fileSize(recording.bytes),
    recording.foundAfterClose ? t.record.foundAfterClose : null,
    recording.encrypted ? t.record.encrypted : null,
  ];
  return (
    <div>
      <h2 className={styles['name']}>
        <bdi>{nameOf(recording)}</bdi>
      </h2>
      <p className={styles['hint']}>{facts.filter(Boolean).join(' · ')}</p>
    </div>
  );
}

function FoundHead({ recording }: { recording: UnsentRecording }) {
  const facts = [lengthOf(recording), recording.foundAfterClose ? t.record.foundAfterClose : null];
  return (
    <p>
      <bdi className={styles['noticeTitle']}>{shortNameOf(recording)}</bdi>{' '}
      <span className={styles['hint']}>· {facts.filter(Boolean).join(' · ')}</span>
    </p>
  );
}

interface Can {
  recording: UnsentRecording;
  discards: boolean;
  dismissed: boolean;
}

function Actions({ recording, discards, dismissed }: Can) {
  const { id, phase, kind, mine } = recording;
  if (phase === 'safe') return <Safe recording={recording} dismissed={dismissed} />;
  if (!mine) return null;
  const readable = recording.problem?.code !== 'LOCAL_KEY_LOST';
  const waits = readable && phase !== 'sending' && phase !== 'needs-file';
  return (
    <div className={styles['actions']}>
      {waits && <Button onClick={() => void deviceClient().sendUnsent(id)}>{t.record.send}</Button>}
      {kind === 'recording' && readable && (
        <>
          <Listen id={id} />
          <Button onClick={() => void deviceClient().saveAs(id)}>{t.record.saveFile}</Button>
        </>
      )}
      {discards && <DiscardButton name={nameOf(recording)} onDiscard={() => void discard(id)} />}
    </div>
  );
}

function Safe({ recording: { id, recordingIds }, dismissed }: Omit<Can, 'discards'>) {
  const [first] = recordingIds;
  return (
    <div className={styles['actions']}>
      {first !== undefined && (
        <Link to="/recordings/$id" params={{ id: first }} className={styles['open']}>
          {t.record.openSafe}
        </Link>
      )}
      {dismissed && (
        <Button variant="subtle" onClick={() => void deviceClient().dismiss(id)}>
          {t.dismiss}
        </Button>
      )}
    </div>
  );
}
