import { useQuery } from '@tanstack/react-query';
import { useCallback, useRef, useState, type ReactNode } from 'react';

import { clock, dateAndTime } from '@/format/time';
import { t } from '@/messages';
import { KeysHelp } from '@/recording/KeysHelp';
import recordingStyles from '@/recording/Recording.module.css';
import { BackLink } from '@/recording/RecordingView';
import { useKeys } from '@/recording/useKeys';
import { PageTitle, Problem } from '@/ui';

import { Parts } from './Parts';
import { playbackQuery, type Session } from './queries';
import styles from './Session.module.css';
import { SessionBar } from './SessionBar';
import { SessionWords } from './SessionWords';
import { useSessionSound } from './useSessionSound';

interface Props {
  session: Session;
  at?: number | undefined;
  children?: ReactNode;
}

/** The parts of a session as one recording: one sound, one timeline, one text. */
export function SessionBody({ session, at, children }: Props) {
  const [following, setFollowing] = useState(true);
  const [help, setHelp] = useState(false);
  const { data: playback, error, refetch } = useQuery(playbackQuery(session));
  const renew = useCallback(async () => (await refetch()).data ?? null, [refetch]);
  const sound = useSessionSound(playback, renew, at);
  const stepRef = useRef<((direction: 1 | -1) => void) | null>(null);
  const onStep = useCallback((direction: 1 | -1) => stepRef.current?.(direction), []);
  const toggleFollow = useCallback(() => setFollowing((on) => !on), []);
  const showHelp = useCallback(() => setHelp(true), []);
  useKeys({ sound, onFollow: toggleFollow, onHelp: showHelp, onStep });
  const title = session.title ?? session.external_id;

  return (
    <article className={recordingStyles['page']}>
      <header>
        <BackLink />
        <PageTitle name={t.session.name(title)}>
          <bdi>{title}</bdi>
        </PageTitle>
        <p className={recordingStyles['summary']}>
          <time dateTime={session.created_at}>{dateAndTime(session.created_at)}</time>
          <span> · {t.session.partsCount(session.parts.length)}</span>
          {session.duration_seconds > 0 && <span> · {clock(session.duration_seconds)}</span>}
        </p>
      </header>
      {children}
      {error && !playback && (
        <Problem small title={t.player.failed} error={error} onRetry={() => void refetch()} />
      )}
      <Gaps session={session} />
      {session.parts.length === 0 ? (
        <div className={recordingStyles['pending']}>
          <h2>{t.session.empty}</h2>
          <p className="muted">{t.session.emptyText}</p>
        </div>
      ) : (
        <>
          <SessionBar session={session} sound={sound} following={following} onFollow={setFollowing} onKeys={showHelp} />
          <div className={styles['columns']}>
            <Parts session={session} sound={sound} />
            <section aria-label={t.recording.transcript} className={recordingStyles['words']}>
              <SessionWords session={session} sound={sound} following={following} onFollow={setFollowing} stepRef={stepRef} />
            </section>
          </div>
        </>
      )}
      <KeysHelp open={help} onClose={() => setHelp(false)} />
    </article>
  );
}

/** What is not there, said before anybody wonders. */
function Gaps({ session }: { session: Session }) {
  const missing = session.missing_part_numbers;
  const moving = session.parts.length > 0 && !session.duration_is_known;
  if (missing.length === 0 && !moving) return null;
  return (
    <div className={recordingStyles['partial']}>
      <span>
        {missing.length > 0 ? `${t.session.missing(missing)}. ${t.session.missingText}` : t.session.moving}
      </span>
    </div>
  );
}
