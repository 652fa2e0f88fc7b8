import type { Gap, Recorder, RecorderSnapshot, SideStates } from '@reelkeep/client';
import { Fragment, type ReactNode } from 'react';

import { clock, roughDuration, timeOfDay } from '@/format/time';
import { UploadButton } from '@/library/UploadButton';
import { t } from '@/messages';
import { Button } from '@/ui';

import { blockedHelp } from './browserHelp';
import { Notice } from './Notice';
import { openPicker } from './Pickers';
import styles from './Record.module.css';

interface Props {
  recorder: Recorder;
  snapshot: RecorderSnapshot;
}

/** What stands in the way or went wrong, each with what can be done about it. */
export function Notices({ recorder, snapshot }: Props) {
  const all = [...cannotBegin(recorder, snapshot.sides), ...happened(recorder, snapshot.sides), ...standing(snapshot)];
  const notices = all.filter(([on]) => on);
  if (notices.length === 0) return null;
  return (
    <div className={styles['notices']}>
      {notices.map(([, notice], place) => (
        <Fragment key={place}>{notice}</Fragment>
      ))}
    </div>
  );
}

type Said = readonly [unknown, ReactNode];

function cannotBegin(recorder: Recorder, sides: SideStates): Said[] {
  const instead = <UploadButton label={t.record.uploadInstead} variant="default" />;
  return [
    [
      sides.insecureContext,
      <Notice name="insecure" kind="bad" title={t.record.insecure} text={t.record.insecureText}>
        {instead}
      </Notice>,
    ],
    [
      sides.unsupported && !sides.insecureContext,
      <Notice name="unsupported" kind="bad" title={t.record.unsupported} text={t.record.unsupportedText}>
        {instead}
      </Notice>,
    ],
    [sides.blocked, <Notice name="blocked" kind="bad" title={t.record.blocked} text={sides.blocked?.reason ?? ''} />],
    [sides.denied, <Denied recorder={recorder} where={sides.denied?.where ?? 'unknown'} />],
    [
      sides.noDevice,
      <Notice name="no-device" kind="bad" title={t.record.noDevice} text={t.record.noDeviceText}>
        {instead}
      </Notice>,
    ],
    [
      sides.otherTab,
      <Notice name="other-tab" kind="warn" title={t.record.otherTab} text={t.record.otherTabText}>
        <Button onClick={() => recorder.callOtherTab()}>{t.record.showOtherTab}</Button>
      </Notice>,
    ],
  ];
}

function Denied({ recorder, where }: { recorder: Recorder; where: 'browser' | 'system' | 'unknown' }) {
  const look = () => void recorder.recheck().then(() => recorder.prepare());
  return (
    <Notice name="denied" kind="bad" title={t.record.denied} text={blockedHelp(where)}>
      <Button onClick={look}>{t.record.lookAgain}</Button>
      <UploadButton label={t.record.uploadInstead} variant="subtle" />
    </Notice>
  );
}

function happened(recorder: Recorder, sides: SideStates): Said[] {
  const goOn = <Button onClick={() => void recorder.goOn()}>{t.record.goOn}</Button>;
  const close = (side: 'interrupted' | 'stalled' | 'moved') => (
    <Button variant="subtle" onClick={() => recorder.acknowledge(side)}>
      {t.dismiss}
    </Button>
  );
  return [
    [
      sides.interrupted,
      <Notice name="interrupted" kind="warn" title={sides.interrupted ? gapOf(sides.interrupted) : ''} text={t.record.gapText}>
        {sides.mutedBySystem && goOn}
        {close('interrupted')}
      </Notice>,
    ],
    [
      sides.mutedBySystem && !sides.interrupted,
      <Notice name="muted" kind="warn" title={t.record.muted} text={t.record.mutedText}>
        {goOn}
      </Notice>,
    ],
    [
      sides.stalled,
      <Notice name="stalled" kind="told" title={t.record.stalled(clock(sides.stalled?.at ?? 0))}>
        {close('stalled')}
      </Notice>,
    ],
    [
      sides.moved,
      <Notice name="moved" kind="told" title={t.record.movedTo(sides.moved?.to ?? '')}>
        {close('moved')}
      </Notice>,
    ],
  ];
}

function standing({ sides, failure, state }: RecorderSnapshot): Said[] {
  const { silent, diskLow } = sides;
  const live = state === 'recording' || state === 'paused';
  return [
    [failure !== null, <Notice name="failure" kind="bad" title={t.record.failure} text={failure ?? ''} />],
    [
      silent && (live || state === 'ready'),
      <Notice name="silent" kind="warn" title={t.record.silent(silent?.microphone ?? '')} text={t.record.silentText}>
        <Button onClick={openPicker}>{t.record.chooseAnother}</Button>
      </Notice>,
    ],
    [sides.memoryOnly, <Notice name="memory" kind="warn" title={t.record.memoryOnly} text={t.record.memoryOnlyText} />],
    [
      diskLow && live,
      <Notice
        name="disk"
        kind="warn"
        title={t.record.diskLow(Math.floor(diskLow?.minutesLeft ?? 0))}
        text={t.record.diskLowText}
      />,
    ],
  ];
}

const atTime = (when: number) => timeOfDay(new Date(when).toISOString());

const gapOf = ({ seconds, from, to }: Gap) => t.record.gap(roughDuration(seconds), atTime(from), atTime(to));
