import { useQueryClient } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';

import { restoreRecording, trashRecording } from '@/api/changes';
import { keys } from '@/api/queries';
import type { Recording } from '@/api/types';
import { titleOf } from '@/library/groups';
import { t } from '@/messages';
import { player } from '@/player/use';
import { toast } from '@/ui/shell';

/** Moves the recording to the trash and goes back to the list, where it can be undone. */
export function useTrash(recording: Recording): () => void {
  const client = useQueryClient();
  const navigate = useNavigate();
  const refresh = () => {
    void client.invalidateQueries({ queryKey: keys.lists });
    void client.invalidateQueries({ queryKey: keys.recording(recording.id) });
  };
  const undo = () => {
    restoreRecording(recording.id).then(
      () => {
        refresh();
        toast.say(t.recording.restored);
      },
      (error: unknown) => toast.fail(t.trashPage.restoreFailed, error),
    );
  };
  const trash = async () => {
    try {
      await trashRecording(recording.id);
    } catch (error) {
      toast.fail(t.recording.trashFailed, error);
      return;
    }
    if (player.has(recording.id)) player.close();
    refresh();
    await navigate({ to: '/recordings' });
    toast.say(t.recording.trashed(titleOf(recording)), { label: t.undo, run: undo });
  };
  return () => void trash();
}
