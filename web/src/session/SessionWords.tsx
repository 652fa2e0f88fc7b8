import { useQuery } from '@tanstack/react-query';
import type { RefObject } from 'react';

import { t } from '@/messages';
import recordingStyles from '@/recording/Recording.module.css';
import { TranscriptText } from '@/recording/TranscriptText';
import { Problem } from '@/ui';
import { Skeleton } from '@/ui/shell';

import { sessionTranscriptQuery, type Session } from './queries';
import type { SessionSound } from './useSessionSound';

interface Props {
  session: Session;
  sound: SessionSound;
  following: boolean;
  onFollow: (on: boolean) => void;
  stepRef: RefObject<((direction: 1 | -1) => void) | null>;
}

/** What was said in all parts as one text; what has no words yet is named, never waited for. */
export function SessionWords({ session, ...props }: Props) {
  const { data, error, refetch } = useQuery(sessionTranscriptQuery(session));
  const without = session.parts.filter((part) => !part.transcript_ready).map((part) => part.part_number);
  if (without.length === session.parts.length) return <NoWords session={session} />;
  if (error && !data) {
    return <Problem title={t.recording.transcriptFailed} error={error} onRetry={() => void refetch()} />;
  }
  if (!data) return <Skeleton rows={6} kind="line" />;
  return (
    <>
      {without.length > 0 && (
        <div className={recordingStyles['partial']}>
          <span>{t.session.partsWithoutWords(without)}</span>
        </div>
      )}
      {data.segments.length === 0 ? (
        <p className="muted">{t.recording.silence}</p>
      ) : (
        <TranscriptText transcript={data} {...props} />
      )}
    </>
  );
}

function NoWords({ session }: { session: Session }) {
  const coming = session.status === 'uploading' || session.status === 'processing';
  return (
    <div className={recordingStyles['pending']}>
      <h2>{coming ? t.session.noWords : t.recording.noWordsAsked}</h2>
      <p className="muted">{coming ? t.session.noWordsText : t.session.noWordsEver}</p>
    </div>
  );
}
