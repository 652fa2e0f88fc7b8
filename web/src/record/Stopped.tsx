import type { Recorder, RecorderSnapshot } from '@reelkeep/client';
import { CircleCheck, Undo2 } from 'lucide-react';
import { useEffect, useState } from 'react';

import { clock } from '@/format/time';
import { t } from '@/messages';
import { announce, Button, TextInput } from '@/ui';

import styles from './Record.module.css';
import { UnsentCard } from './UnsentCard';

const UNDO_MS = 5_000;

interface Props {
  recorder: Recorder;
  snapshot: RecorderSnapshot;
}

export function Stopped({ recorder, snapshot }: Props) {
  const { id, seconds, unsent } = snapshot;
  return (
    <>
      <p className={styles['state']} role="status">
        <CircleCheck size={24} strokeWidth={1.75} aria-hidden />
        <span>{t.record.recorded(clock(seconds))}</span>
      </p>
      {unsent && <UnsentCard recording={unsent} bare />}
      <TitleField key={id} recorder={recorder} known={unsent?.title ?? ''} />
      <div className={styles['after']}>
        <Button variant="filled" size="md" onClick={() => recorder.again()}>
          {t.record.another}
        </Button>
        <GoOn key={id} recorder={recorder} />
      </div>
    </>
  );
}

/** "Undo" of a stop: for five seconds loudly, afterwards as a quiet way to go on. */
function GoOn({ recorder }: { recorder: Recorder }) {
  const [fresh, setFresh] = useState(true);
  useEffect(() => {
    const timer = window.setTimeout(() => setFresh(false), UNDO_MS);
    return () => window.clearTimeout(timer);
  }, []);
  return (
    <Button
      variant={fresh ? 'default' : 'subtle'}
      size="md"
      leftSection={<Undo2 size={20} strokeWidth={1.75} aria-hidden />}
      onClick={() => void recorder.goOn()}
    >
      {fresh ? t.record.undoStop : t.record.goOnRecording}
    </Button>
  );
}

/** Whatever was typed before the start stands here; a name may come after the bytes are safe, too. */
function TitleField({ recorder, known }: { recorder: Recorder; known: string }) {
  const [typed, setTyped] = useState<string | null>(null);
  const save = () => {
    const title = typed?.trim();
    if (!title || title === known) return;
    recorder.describe({ title });
    announce(t.recording.titleSaved);
  };
  return (
    <TextInput
      label={t.record.titleLabel}
      placeholder={t.record.titlePlaceholder}
      size="md"
      value={typed ?? known}
      maxLength={200}
      onChange={(event) => setTyped(event.currentTarget.value)}
      onBlur={save}
      onKeyDown={(event) => {
        if (event.key === 'Enter') event.currentTarget.blur();
      }}
    />
  );
}
