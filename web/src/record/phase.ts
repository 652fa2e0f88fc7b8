/** Where a recording is on its way, in the page's fixed words. */
import type { UnsentRecording } from '@reelkeep/client';

import { clock, dateAndTime, timeOfDay } from '@/format/time';
import { t } from '@/messages';

export const startOf = ({ startedAt }: UnsentRecording) => new Date(startedAt).toISOString();

/** What another has called it is not for whoever sits here now. */
const titleOf = ({ title, mine }: UnsentRecording) => (mine ? title : null);

export const nameOf = (recording: UnsentRecording) =>
  titleOf(recording) ??
  (recording.kind === 'file' ? recording.filename : t.record.untitled(dateAndTime(startOf(recording))));

/** "Recording from 09:12 · 31:04", for a card that stands on another page. */
export const shortNameOf = (recording: UnsentRecording) =>
  titleOf(recording) ?? t.record.recordingFrom(timeOfDay(startOf(recording)));

/** In mine, a refused sign-in means that it ended; in another's, that it is theirs. */
export function phaseWords(recording: UnsentRecording, online: boolean): string {
  const { phase, mine, owner, progress, seconds } = recording;
  switch (phase) {
    case 'recording':
      return t.record.phases.recording;
    case 'on-device':
      return mine ? t.record.phases.onDevice : t.record.belongsTo(owner?.userName ?? null);
    case 'sending':
      return t.record.phases.sending(Math.floor(progress * 100));
    case 'waiting':
      return online ? t.record.phases.waiting : t.record.offlineKept(clock(seconds ?? 0));
    case 'needs-sign-in':
      return mine ? t.record.phases.signIn : t.record.belongsTo(owner?.userName ?? null);
    case 'needs-file':
      return t.record.phases.needsFile;
    case 'refused':
      return t.record.phases.refused;
    case 'safe':
      return t.record.phases.safe;
  }
}

/** What a person may want to read beside the words; that a sign-in is needed the words say already. */
export const problemOf = ({ phase, problem, mine }: UnsentRecording, online: boolean) =>
  mine && (phase === 'refused' || (phase === 'waiting' && online)) ? problem : null;
