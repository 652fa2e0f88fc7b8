import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Link } from '@tanstack/react-router';
import { ArrowLeft, Printer } from 'lucide-react';
import { useMemo } from 'react';

import { ApiError } from '@/api/errors';
import { recordingQuery, stillWorking, transcriptQuery } from '@/api/queries';
import { clock, dateAndTime } from '@/format/time';
import { titleOf } from '@/library/groups';
import { t } from '@/messages';
import { NotHere } from '@/shell/NotHere';
import { Button, PageTitle, Problem } from '@/ui';
import { Skeleton } from '@/ui/shell';

import styles from './Read.module.css';
import { buildRows } from './rows';

const route = getRouteApi('/app/recordings/$id/read');

/** The whole text as plain paragraphs: for the browser's own search, print, copying and screen readers. */
export function ReadPage() {
  const { id } = route.useParams();
  const recording = useQuery(recordingQuery(id));
  const transcript = useQuery({ ...transcriptQuery(id), enabled: recording.data?.transcript_ready === true });
  const rows = useMemo(() => (transcript.data ? buildRows(transcript.data).rows : null), [transcript.data]);
  if (recording.error instanceof ApiError && recording.error.status === 404) return <NotHere />;
  const error = recording.error ?? transcript.error;
  const name = recording.data ? titleOf(recording.data) : t.loading;
  const none = recording.data && (!recording.data.transcript_ready || rows?.length === 0);

  return (
    <article className={styles['page']}>
      <p className={styles['tools']}>
        <Link to="/recordings/$id" params={{ id }} className={styles['back']}>
          <ArrowLeft size={20} strokeWidth={1.75} aria-hidden />
          {t.read.back}
        </Link>
        {rows && rows.length > 0 && <Button leftSection={<Printer size={20} strokeWidth={1.75} aria-hidden />} onClick={() => window.print()}>
          {t.read.print}
        </Button>}
      </p>
      <PageTitle key={name} name={name}>
        <bdi>{name}</bdi>
      </PageTitle>
      {recording.data && <p className="muted">{dateAndTime(recording.data.created_at)}</p>}
      {error && <Problem title={t.recording.transcriptFailed} error={error} onRetry={() => void transcript.refetch()} />}
      {none && <p>{stillWorking(recording.data) ? t.read.notYet : t.read.none}</p>}
      {!error && !none && !rows && <Skeleton rows={8} kind="line" />}
      <div className={styles['text']} lang={transcript.data?.language ?? undefined}>
        {rows?.map((row, index) => (
          <p key={index} dir="auto">
            <Link to="/recordings/$id" params={{ id }} search={{ t: Math.floor(row.start) }} className={styles['time']} preload={false}>
              {clock(row.start)}
            </Link>{' '}
            {row.speaker && <strong>{row.speaker}: </strong>}
            {row.text}
          </p>
        ))}
      </div>
    </article>
  );
}
