import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { useEffect, useRef, type RefObject } from 'react';

import { stillWorking, transcriptQuery } from '@/api/queries';
import type { RecordingDetail, Step } from '@/api/types';
import { t } from '@/messages';
import { usePermission } from '@/me/usePermission';
import { announce, Button, Problem } from '@/ui';
import { Skeleton } from '@/ui/shell';

import { isSoundless } from './NoSound';
import styles from './Recording.module.css';
import { Steps, useRerun } from './Steps';
import { TranscriptText } from './TranscriptText';
import type { SoundOfPage } from './useSound';

interface Props {
  recording: RecordingDetail;
  sound: SoundOfPage;
  following: boolean;
  onFollow: (on: boolean) => void;
  stepRef: RefObject<((direction: 1 | -1) => void) | null>;
}

const stepOf = (recording: RecordingDetail, kind: Step['kind']) => recording.steps.find((step) => step.kind === kind);

export function TranscriptPanel(props: Props) {
  const { recording } = props;
  const ready = recording.transcript_ready;
  useEffectOnArrival(ready);
  if (ready) return <Words {...props} />;
  if (recording.client_encrypted && recording.status !== 'uploading' && recording.status !== 'failed') {
    return <p className="muted">{t.recording.encrypted.noWords}</p>;
  }
  const failed = recording.steps.find((step) => step.state === 'failed' && (step.kind === 'transcribe' || step.kind === 'probe'));
  if (failed) return <WordsFailed recording={recording} failed={failed} />;
  if (recording.status === 'failed') {
    return <Problem title={t.recording.fileFailedTitle} message={recording.processing_error} code={recording.error_code} />;
  }
  if (recording.is_deleted && stillWorking(recording)) {
    return (
      <div className={styles['pending']}>
        <h2>{t.recording.trashTitle}</h2>
        <p className="muted">{t.recording.trashText}</p>
      </div>
    );
  }
  if (stillWorking(recording)) {
    return (
      <div className={styles['pending']}>
        <h2>{recording.status === 'uploading' ? t.recording.waitingTitle : t.recording.processingTitle}</h2>
        {recording.steps.length > 0 && <Steps recording={recording} />}
      </div>
    );
  }
  return <NotAsked recording={recording} />;
}

function useEffectOnArrival(ready: boolean): void {
  const before = useRef(ready);
  useEffect(() => {
    if (ready && !before.current) announce(t.recording.transcriptArrived);
    before.current = ready;
  }, [ready]);
}

function Words(props: Props) {
  const { recording } = props;
  const { data, error, refetch } = useQuery(transcriptQuery(recording.id));
  if (error && !data) {
    return <Problem title={t.recording.transcriptFailed} error={error} onRetry={() => void refetch()} />;
  }
  if (!data) return <Skeleton rows={6} kind="line" />;
  if (data.segments.length === 0) return <Silence recording={recording} />;
  return (
    <>
      <Partial recording={recording} />
      <p className={styles['plain']}>
        <Link to="/recordings/$id/read" params={{ id: recording.id }}>
          {t.recording.readPlain}
        </Link>
      </p>
      <TranscriptText {...props} transcript={data} mute={isSoundless(recording)} />
    </>
  );
}

/** The words are there; something else is not: said beside them, never instead of them. */
function Partial({ recording }: { recording: RecordingDetail }) {
  const failed = recording.steps.filter((step) => step.state === 'failed');
  const rerun = useRerun(recording.id);
  const mayRerun = usePermission('recordings.write');
  if (failed.length === 0) return null;
  return (
    <div className={styles['partial']}>
      <span>{t.recording.partial(failed.map((step) => t.stepNames[step.kind]).join(', '))}</span>
      {mayRerun &&
        failed.map((step) => (
          <Button key={step.kind} onClick={() => rerun.mutate(step.kind)} disabled={rerun.isPending} aria-label={t.recording.tryStep(t.stepNames[step.kind])}>
            {t.retry}
          </Button>
        ))}
    </div>
  );
}

function Silence({ recording }: { recording: RecordingDetail }) {
  const rerun = useRerun(recording.id);
  const mayRerun = usePermission('recordings.write');
  return (
    <div className={styles['pending']}>
      <h2>{t.recording.silence}</h2>
      <p className="muted">{t.recording.silenceText}</p>
      {mayRerun && (
        <div>
          <Button onClick={() => rerun.mutate('transcribe')} disabled={rerun.isPending}>
            {t.recording.again}
          </Button>
        </div>
      )}
    </div>
  );
}

function WordsFailed({ recording, failed }: { recording: RecordingDetail; failed: Step }) {
  const rerun = useRerun(recording.id);
  const mayRerun = usePermission('recordings.write');
  const kept = recording.uploaded_at !== null;
  return (
    <Problem
      title={failed.kind === 'probe' ? t.recording.fileFailedTitle : t.recording.failedTitle}
      message={[failed.error_message ?? recording.processing_error, kept ? t.recording.failedKept : null].filter(Boolean).join(' ')}
      code={failed.error_code ?? recording.error_code}
      onRetry={mayRerun ? () => rerun.mutate(failed.kind) : undefined}
    />
  );
}

function NotAsked({ recording }: { recording: RecordingDetail }) {
  const rerun = useRerun(recording.id);
  const mayRerun = usePermission('recordings.write');
  return (
    <div className={styles['pending']}>
      <h2>{t.recording.noWordsAsked}</h2>
      <p className="muted">{t.recording.noWordsAskedText}</p>
      {mayRerun && stepOf(recording, 'transcribe') && (
        <div>
          <Button onClick={() => rerun.mutate('transcribe')} disabled={rerun.isPending}>
            {t.recording.writeWords}
          </Button>
        </div>
      )}
    </div>
  );
}
