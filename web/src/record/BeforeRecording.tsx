import type { Recorder, RecorderSnapshot } from '@reelkeep/client';
import { useQuery } from '@tanstack/react-query';
import { Ear } from 'lucide-react';
import { useState } from 'react';

import { meQuery } from '@/api/queries';
import { t } from '@/messages';
import { Button, TextInput } from '@/ui';
import { Switch } from '@/ui/shell';

import { LevelMeter } from './LevelMeter';
import { MicrophonePicker, QualityPicker } from './Pickers';
import styles from './Record.module.css';
import { TestSound } from './TestSound';

interface Props {
  recorder: Recorder;
  snapshot: RecorderSnapshot;
}

export function BeforeRecording({ recorder, snapshot }: Props) {
  const { state, sides } = snapshot;
  const [title, setTitle] = useState('');
  const shared = useQuery(meQuery).data?.policies.shared_computers;
  const start = () => {
    recorder.describe(title.trim() ? { title: title.trim() } : {});
    void recorder.start();
  };
  // Where nothing can ever be recorded, there is nothing to choose.
  if (sides.insecureContext || sides.unsupported) return null;
  return (
    <>
      <TextInput
        label={t.record.titleLabel}
        placeholder={t.record.titlePlaceholder}
        size="md"
        // What a browser remembers of fields is everybody's at a shared computer.
        autoComplete="off"
        value={title}
        maxLength={200}
        onChange={(event) => setTitle(event.currentTarget.value)}
      />
      {state === 'ready' && <LevelMeter recorder={recorder} snapshot={snapshot} />}
      <MicrophonePicker recorder={recorder} snapshot={snapshot} />
      <Start recorder={recorder} snapshot={snapshot} onStart={start} />
      <div className={styles['fields']}>
        <QualityPicker recorder={recorder} snapshot={snapshot} />
        <Switch
          label={t.record.cleanUp}
          description={t.record.cleanUpHint}
          checked={snapshot.cleanUp}
          onChange={(event) => void recorder.setCleanUp(event.currentTarget.checked)}
        />
      </div>
      <p className={styles['promise']}>
        {t.record.promise} {shared && t.record.promiseShared}
      </p>
    </>
  );
}

function Start({ recorder, snapshot, onStart }: Props & { onStart: () => void }) {
  const { state, canRecord } = snapshot;
  return (
    <div className={styles['start']}>
      <button type="button" className={styles['rec']} onClick={onStart} disabled={!canRecord || state === 'asking'}>
        <span className={styles['dot']} aria-hidden />
        {state === 'asking' ? t.record.asking : t.record.start}
      </button>
      {state === 'idle' && canRecord && (
        <>
          <Button
            variant="subtle"
            leftSection={<Ear size={20} strokeWidth={1.75} aria-hidden />}
            onClick={() => void recorder.prepare()}
          >
            {t.record.tryMicrophone}
          </Button>
          <p className={styles['hint']}>{t.record.explain}</p>
        </>
      )}
      {state === 'ready' && <TestSound recorder={recorder} />}
    </div>
  );
}
