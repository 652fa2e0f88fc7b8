import { useQuery } from '@tanstack/react-query';
import { PanelRight, Trash2 } from 'lucide-react';
import { useCallback, useRef, useState, type ReactNode } from 'react';

import { transcriptQuery } from '@/api/queries';
import type { RecordingDetail } from '@/api/types';
import { titleOf } from '@/library/groups';
import { t } from '@/messages';
import { usePermission } from '@/me/usePermission';
import { PartLine } from '@/session/PartLine';
import { IconButton, Modal } from '@/ui/shell';

import { Details } from './Details';
import { DownloadMenu } from './DownloadMenu';
import { Held } from './Held';
import { InTrash } from './InTrash';
import { KeysHelp } from './KeysHelp';
import { isSoundless, NoSound } from './NoSound';
import { PlayerBar } from './PlayerBar';
import styles from './Recording.module.css';
import { BackLink, Summary } from './RecordingView';
import { SoundAway } from './SoundAway';
import { Title } from './Title';
import { TranscriptPanel } from './TranscriptPanel';
import { useKeys } from './useKeys';
import { useSound } from './useSound';
import { useTrash } from './useTrash';

interface Props {
  recording: RecordingDetail;
  at?: number | undefined;
  children?: ReactNode;
}

export function RecordingBody({ recording, at, children }: Props) {
  const [following, setFollowing] = useState(true);
  const [help, setHelp] = useState(false);
  const [sheet, setSheet] = useState(false);
  const { data: transcript } = useQuery({ ...transcriptQuery(recording.id), enabled: recording.transcript_ready });
  const mayChange = usePermission('recordings.write');
  const mayDelete = usePermission('recordings.delete');
  const trash = useTrash(recording);
  const soundless = isSoundless(recording);
  const ready = recording.playback_ready && !soundless;
  const sound = useSound({
    id: recording.id,
    title: titleOf(recording),
    duration: recording.duration_seconds,
    ready,
    startAt: at,
  });
  const stepRef = useRef<((direction: 1 | -1) => void) | null>(null);
  const onStep = useCallback((direction: 1 | -1) => stepRef.current?.(direction), []);
  const toggleFollow = useCallback(() => setFollowing((on) => !on), []);
  const showHelp = useCallback(() => setHelp(true), []);
  useKeys({ sound, onFollow: toggleFollow, onHelp: showHelp, onStep });

  return (
    <article className={styles['page']}>
      <header className={styles['header']}>
        <div className={styles['headerText']}>
          <BackLink />
          <Title recording={recording} mayChange={mayChange && !recording.is_deleted} />
          <Summary recording={recording} />
          <PartLine recording={recording} />
        </div>
        <div className={styles['actions']}>
          <DownloadMenu
            id={recording.id}
            transcriptReady={recording.transcript_ready}
            encrypted={recording.client_encrypted}
            originalReady={recording.uploaded_at !== null && !recording.original_removed && recording.media_kept}
          />
          <span className={styles['sheetButton']}>
            <IconButton icon={PanelRight} label={t.recording.details} onClick={() => setSheet(true)} size={44} />
          </span>
          {mayDelete && !recording.is_deleted && (
            <IconButton icon={Trash2} label={t.recording.toTrash} onClick={trash} size={44} />
          )}
        </div>
      </header>
      {children}
      {recording.is_deleted && <InTrash recording={recording} />}
      <Held recording={recording} />
      <SoundAway recording={recording} />
      {soundless && <NoSound recording={recording} />}
      {!soundless && (ready || recording.duration_seconds !== null) && (
        <PlayerBar
          recording={recording}
          ready={ready}
          peaksReady={recording.peaks_ready}
          sound={sound}
          following={following}
          onFollow={setFollowing}
          onKeys={showHelp}
        />
      )}
      <div className={styles['columns']}>
        <section aria-label={t.recording.transcript} className={styles['words']}>
          <TranscriptPanel
            recording={recording}
            sound={sound}
            following={following}
            onFollow={setFollowing}
            stepRef={stepRef}
          />
        </section>
        <aside className={styles['aside']} aria-label={t.recording.details}>
          <Details recording={recording} transcript={transcript} />
        </aside>
      </div>
      <Modal
        opened={sheet}
        onClose={() => setSheet(false)}
        title={titleOf(recording)}
        closeButtonProps={{ 'aria-label': t.close }}
      >
        <Details recording={recording} transcript={transcript} />
      </Modal>
      <KeysHelp open={help} onClose={() => setHelp(false)} />
    </article>
  );
}
