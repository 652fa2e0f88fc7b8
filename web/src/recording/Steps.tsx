import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Check, CircleAlert, CircleDashed, LoaderCircle, Minus, type LucideIcon } from 'lucide-react';

import { rerunStep } from '@/api/changes';
import { keys, recordingChanged } from '@/api/queries';
import type { RecordingDetail, Step } from '@/api/types';
import { roughDuration } from '@/format/time';
import { t } from '@/messages';
import { usePermission } from '@/me/usePermission';
import { Button } from '@/ui';
import { Progress, toast } from '@/ui/shell';

import styles from './Recording.module.css';

const ICONS: Record<Step['state'], LucideIcon> = {
  todo: CircleDashed,
  running: LoaderCircle,
  done: Check,
  failed: CircleAlert,
  skipped: Minus,
};

export function Steps({ recording }: { recording: RecordingDetail }) {
  const mayRerun = usePermission('recordings.write');
  const rerun = useRerun(recording.id);
  const unreadable = recording.steps.some((step) => step.kind === 'probe' && step.state === 'failed');
  return (
    <ol className={styles['steps']}>
      {recording.steps.map((step) => (
        <StepRow key={step.kind} step={step} unreadable={unreadable} onRerun={mayRerun ? () => rerun.mutate(step.kind) : undefined} busy={rerun.isPending} />
      ))}
    </ol>
  );
}

export function useRerun(id: string) {
  const client = useQueryClient();
  return useMutation({
    mutationFn: (kind: Step['kind']) => rerunStep(id, kind),
    onSuccess: (changed) => {
      recordingChanged(client, changed);
      void client.invalidateQueries({ queryKey: keys.transcript(id) });
      toast.say(t.recording.rerunStarted);
    },
    onError: (error) => toast.fail(t.recording.rerunFailed, error),
  });
}

interface RowProps {
  step: Step;
  /** Nothing can be made of the file: what was left out was not unwanted. */
  unreadable: boolean;
  onRerun: (() => void) | undefined;
  busy: boolean;
}

function StepRow({ step, unreadable, onRerun, busy }: RowProps) {
  const Icon = ICONS[step.state];
  const name = t.stepNames[step.kind];
  return (
    <li className={styles['step']} data-state={step.state}>
      <Icon size={20} strokeWidth={1.75} aria-hidden className={styles['stepIcon']} />
      <div className={styles['stepBody']}>
        <span className={styles['stepName']}>{name}</span>
        <span className={styles['stepState']}>{unreadable && step.state === 'skipped' ? t.recording.impossible : stateWords(step)}</span>
        {step.state === 'running' && step.progress !== null && <Progress value={step.progress} label={name} />}
        {step.error_message && step.state === 'failed' && (
          <span className={styles['stepError']} dir="auto">
            {step.error_message} {step.error_code && <span className="muted">{t.errorCode(step.error_code)}</span>}
          </span>
        )}
        {step.warnings.map((warning) => (
          <span key={warning} className={styles['stepState']}>
            {t.note(warning)}
          </span>
        ))}
        {step.state === 'failed' && onRerun && (
          <Button onClick={onRerun} disabled={busy} aria-label={t.recording.tryStep(name)} style={{ justifySelf: 'start' }}>
            {t.retry}
          </Button>
        )}
      </div>
    </li>
  );
}

function stateWords(step: Step): string {
  const words = [t.stepStates[step.state]];
  if (step.state === 'running' && step.progress !== null) words.push(t.recording.percent(step.progress));
  if (step.state === 'done' && step.started_at && step.finished_at) {
    const seconds = (Date.parse(step.finished_at) - Date.parse(step.started_at)) / 1000;
    words.push(t.recording.took(roughDuration(Math.max(1, seconds))));
  }
  if (step.attempts > 1) words.push(t.recording.attempt(step.attempts));
  return words.join(', ');
}
