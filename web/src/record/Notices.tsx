import type { Gap, Recorder, RecorderSnapshot, SideStates } from '@reelkeep/client';
import { CircleAlert, Info } from 'lucide-react';
import type { ReactNode } from 'react';

import { clock, roughDuration } from '@/format/time';
import { t } from '@/messages';
import { Button } from '@/ui';

import { blockedHelp } from './browserHelp';
import styles from './Record.module.css';

interface Props {
  recorder: Recorder;
  snapshot: RecorderSnapshot;
}

/** What stands in the way or went wrong, each with what can be done about it. */
export function Notices({ recorder, snapshot }: Props) {
  const notices = noticesOf(recorder, snapshot);
  if (notices.length === 0) return null;
  return <div className={styles['notices']}>{notices}</div>;
}

function noticesOf(recorder: Recorder, snapshot: RecorderSnapshot): ReactNode[] {
  return [...cannotBegin(recorder, snapshot), ...happened(recorder, snapshot.sides), ...standing(snapshot)];
}

function cannotBegin(recorder: Recorder, { sides }: RecorderSnapshot): ReactNode[] {
  const found: ReactNode[] = [];
  const say = (name: string, title: string, text: string, children?: ReactNode) =>
    found.push(
      <Notice key={name} name={name} kind="bad" title={title} text={text}>
        {children}
      </Notice>,
    );
  if (sides.insecureContext) say('insecure', t.record.insecure, t.record.insecureText);
  else if (sides.unsupported) say('unsupported', t.record.unsupported, t.record.unsupportedText);
  if (sides.blocked) say('blocked', t.record.blocked, sides.blocked.reason);
  if (sides.denied) {
    const look = <Button onClick={() => void recorder.recheck()}>{t.record.lookAgain}</Button>;
    say('denied', t.record.denied, blockedHelp(sides.denied.where), look);
  }
  if (sides.noDevice) say('no-device', t.record.noDevice, t.record.noDeviceText);
  if (sides.otherTab) {
    const show = <Button onClick={() => recorder.callOtherTab()}>{t.record.showOtherTab}</Button>;
    say('other-tab', t.record.otherTab, t.record.otherTabText, show);
  }
  return found;
}

function happened(recorder: Recorder, sides: SideStates): ReactNode[] {
  const found: ReactNode[] = [];
  if (sides.interrupted) {
    found.push(
      <Notice key="interrupted" name="interrupted" kind="warn" title={gapOf(sides.interrupted)} text={t.record.gapText}>
        {sides.mutedBySystem && <Button onClick={() => void recorder.goOn()}>{t.record.goOn}</Button>}
        <Button variant="subtle" onClick={() => recorder.acknowledge('interrupted')}>
          {t.dismiss}
        </Button>
      </Notice>,
    );
  } else if (sides.mutedBySystem) {
    found.push(
      <Notice key="muted" name="muted" kind="warn" title={t.record.muted} text={t.record.mutedText}>
        <Button onClick={() => void recorder.goOn()}>{t.record.goOn}</Button>
      </Notice>,
    );
  }
  if (sides.stalled) {
    const close = () => recorder.acknowledge('stalled');
    const title = t.record.stalled(clock(sides.stalled.at));
    found.push(<Told key="stalled" name="stalled" title={title} onClose={close} />);
  }
  if (sides.moved) {
    const close = () => recorder.acknowledge('moved');
    found.push(<Told key="moved" name="moved" title={t.record.movedTo(sides.moved.to)} onClose={close} />);
  }
  return found;
}

function standing({ sides, failure }: RecorderSnapshot): ReactNode[] {
  const found: ReactNode[] = [];
  const say = (name: string, title: string, text: string, kind: 'warn' | 'bad' = 'warn') =>
    found.push(<Notice key={name} name={name} kind={kind} title={title} text={text} />);
  if (failure !== null) say('failure', t.record.failure, failure, 'bad');
  if (sides.silent) say('silent', t.record.silent(sides.silent.microphone), t.record.silentText);
  if (sides.memoryOnly) say('memory', t.record.memoryOnly, t.record.memoryOnlyText);
  if (sides.diskLow) say('disk', t.record.diskLow(Math.floor(sides.diskLow.minutesLeft)), t.record.diskLowText);
  return found;
}

const gapOf = (gap: Gap) =>
  t.record.gap(roughDuration(gap.seconds), new Date(gap.from).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));

function Told({ name, title, onClose }: { name: string; title: string; onClose: () => void }) {
  return (
    <Notice name={name} kind="told" title={title}>
      <Button variant="subtle" onClick={onClose}>
        {t.dismiss}
      </Button>
    </Notice>
  );
}

interface NoticeProps {
  name: string;
  kind: 'bad' | 'warn' | 'told';
  title: string;
  text?: string;
  children?: ReactNode;
}

function Notice({ name, kind, title, text, children }: NoticeProps) {
  const Icon = kind === 'told' ? Info : CircleAlert;
  return (
    <div className={styles['notice']} data-kind={kind} data-notice={name} role={kind === 'bad' ? 'alert' : 'status'}>
      <Icon size={20} strokeWidth={1.75} aria-hidden />
      <div>
        <p className={styles['noticeTitle']}>{title}</p>
        {text && <p>{text}</p>}
        {children && <div className={styles['actions']}>{children}</div>}
      </div>
    </div>
  );
}
