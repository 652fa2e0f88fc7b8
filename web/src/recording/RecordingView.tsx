import { useQuery, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { ArrowLeft } from 'lucide-react';

import { ApiError } from '@/api/errors';
import { listedRecording, recordingQuery } from '@/api/queries';
import type { Recording } from '@/api/types';
import { clock, dateAndTime } from '@/format/time';
import { titleOf } from '@/library/groups';
import { t } from '@/messages';
import { NotHere } from '@/shell/NotHere';
import { PageTitle, Problem } from '@/ui';
import { MiniWave, Skeleton } from '@/ui/shell';

import styles from './Recording.module.css';
import { RecordingBody } from './RecordingBody';

export function RecordingView({ id, at }: { id: string; at?: number | undefined }) {
  const client = useQueryClient();
  const { data, error, refetch } = useQuery(recordingQuery(id));
  if (data) {
    return (
      <RecordingBody recording={data} at={at}>
        {error && <Problem small title={t.library.staleTitle} error={error} onRetry={() => void refetch()} />}
      </RecordingBody>
    );
  }
  if (error instanceof ApiError && [403, 404, 422].includes(error.status)) return <NotHere />;
  if (error) {
    return (
      <>
        <BackLink />
        <PageTitle name={t.recording.loadFailed} className="visually-hidden" />
        <Problem title={t.recording.loadFailed} error={error} onRetry={() => void refetch()} />
      </>
    );
  }
  return <Opening known={listedRecording(client, id)} />;
}

/** While the server is asked: what the list knows, at once. */
function Opening({ known }: { known: Recording | undefined }) {
  return (
    <>
      <BackLink />
      {known ? (
        <>
          <PageTitle name={titleOf(known)} />
          <Summary recording={known} />
          <div className={styles['openingWave']}>
            <MiniWave bars={known.waveform} />
          </div>
        </>
      ) : (
        <PageTitle name={t.loading} className="visually-hidden" />
      )}
      <Skeleton rows={6} kind="line" />
    </>
  );
}

export function BackLink() {
  return (
    <Link to="/recordings" className={styles['back']}>
      <ArrowLeft size={20} strokeWidth={1.75} aria-hidden />
      {t.recording.back}
    </Link>
  );
}

export function Summary({ recording }: { recording: Recording }) {
  const { duration_seconds: duration } = recording;
  return (
    <p className={styles['summary']}>
      <time dateTime={recording.created_at}>{dateAndTime(recording.created_at)}</time>
      {duration !== null && <span> · {clock(duration)}</span>}
    </p>
  );
}
