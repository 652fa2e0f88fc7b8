import { useMutation, useQueryClient } from '@tanstack/react-query';

import { restoreRecording } from '@/api/changes';
import { recordingChanged } from '@/api/queries';
import type { RecordingDetail } from '@/api/types';
import { t } from '@/messages';
import { usePermission } from '@/me/usePermission';
import { Button } from '@/ui';
import { toast } from '@/ui/shell';

import styles from './Recording.module.css';

export function InTrash({ recording }: { recording: RecordingDetail }) {
  const client = useQueryClient();
  const may = usePermission('recordings.delete');
  const restore = useMutation({
    mutationFn: () => restoreRecording(recording.id),
    onSuccess: (changed) => {
      recordingChanged(client, changed);
      toast.say(t.recording.restored);
    },
    onError: (error) => toast.fail(t.trashPage.restoreFailed, error),
  });
  return (
    <div className={styles['partial']}>
      <span>{t.recording.inTrash}</span>
      {may && (
        <Button onClick={() => restore.mutate()} disabled={restore.isPending}>
          {t.recording.restore}
        </Button>
      )}
    </div>
  );
}
