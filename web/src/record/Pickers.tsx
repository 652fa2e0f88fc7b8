import type { Microphone, Recorder, RecorderSnapshot } from '@reelkeep/client';

import { t } from '@/messages';
import { SegmentedControl, Select } from '@/ui/shell';

import styles from './Record.module.css';

interface Props {
  recorder: Recorder;
  snapshot: RecorderSnapshot;
}

const PICKER = 'record-microphone';

/** Without permission the browser tells neither ids nor labels. */
export function MicrophonePicker({ recorder, snapshot }: Props) {
  const { microphones, microphone } = snapshot;
  const chosen = microphones.find((one) => one.chosen) ?? microphones.find((one) => one.active);
  return (
    <div className={styles['picker']} id={PICKER}>
      <span className={styles['label']} aria-hidden>
        {t.record.microphone}
      </span>
      <Select
        label={t.record.microphone}
        size="md"
        value={chosen?.deviceId ?? ''}
        data={
          microphones.length > 0
            ? microphones.map((one) => ({ value: one.deviceId, label: labelOf(one, snapshot) }))
            : [{ value: '', label: microphone || t.record.defaultMicrophone }]
        }
        onChange={(value) => {
          const one = microphones.find((each) => each.deviceId === value);
          if (one) void recorder.choose(one);
        }}
      />
    </div>
  );
}

/** What the system's default is, once it is open. */
function labelOf(one: Microphone, { microphones, microphone, state }: RecorderSnapshot): string {
  if (!one.isDefault) return one.label;
  const open = state !== 'idle' && state !== 'asking' && microphones.some((each) => each.active);
  return one.chosen && open && microphone ? t.record.systemDefaultIs(microphone) : t.record.systemDefault;
}

/** From a notice to the list of microphones. */
export function openPicker(): void {
  const select = document.querySelector<HTMLSelectElement>(`#${PICKER} select`);
  select?.focus();
  try {
    select?.showPicker();
  } catch {
    // Focused it is; older browsers open it by a press.
  }
}

export function QualityPicker({ recorder, snapshot }: Props) {
  const { quality, megabytesPerHour, bitsPerSecond } = snapshot;
  return (
    <div className={styles['picker']}>
      <span className={styles['label']} id="record-quality">
        {t.record.quality}
      </span>
      <div className={styles['quality']}>
        <SegmentedControl
          aria-labelledby="record-quality"
          value={quality}
          onChange={(value) => recorder.setQuality(value)}
          data={[
            { value: 'speech', label: t.record.speech },
            { value: 'high', label: t.record.high },
          ]}
        />
        <span className={styles['hint']}>
          {t.record.qualityFacts(Math.round(bitsPerSecond / 1000), Math.round(megabytesPerHour))}
        </span>
      </div>
    </div>
  );
}
