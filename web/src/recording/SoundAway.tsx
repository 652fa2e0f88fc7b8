import { useMutation, useQueryClient } from '@tanstack/react-query';

import { askForMedia } from '@/api/changes';
import { recordingChanged } from '@/api/queries';
import type { RecordingDetail } from '@/api/types';
import { usePermission } from '@/me/usePermission';
import { t } from '@/messages';
import { Button } from '@/ui';
import { toast } from '@/ui/shell';

import { awayOf } from './away';
import styles from './Recording.module.css';

/** What of the recording cannot be read now: in words, and with a button where asking helps. */
export function SoundAway({ recording }: { recording: RecordingDetail }) {
  const client = useQueryClient();
  const may = usePermission('recordings.write');
  const ask = useMutation({
    mutationFn: () => askForMedia(recording.id),
    onSuccess: (changed) => {
      recordingChanged(client, changed);
      toast.say(t.recording.away.asked);
    },
    onError: (error) => toast.fail(t.recording.away.askFailed, error),
  });
  const said = awayOf(recording);
  if (said === null) return null;
  const archived = recording.media_state === 'archived' || recording.original_state === 'archived';
  return (
    <div className={styles['partial']} role="status">
      <span>{said}</span>
      {archived && may && !recording.is_deleted && (
        <Button onClick={() => ask.mutate()} disabled={ask.isPending}>
          {t.recording.away.ask}
        </Button>
      )}
    </div>
  );
}
