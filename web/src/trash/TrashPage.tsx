import { useInfiniteQuery, useMutation, useQueryClient } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import { Undo2 } from 'lucide-react';

import { restoreRecording } from '@/api/changes';
import { listQuery, recordingChanged } from '@/api/queries';
import type { Recording } from '@/api/types';
import { dateAndTime } from '@/format/time';
import { titleOf } from '@/library/groups';
import { t } from '@/messages';
import { usePermission } from '@/me/usePermission';
import { Button, PageTitle, Problem } from '@/ui';
import { Skeleton, toast } from '@/ui/shell';

import styles from './Trash.module.css';

export function TrashPage() {
  const list = useInfiniteQuery(listQuery({ deleted: true }));
  const recordings = list.data?.pages.flatMap((page) => page.items);
  return (
    <>
      <PageTitle name={t.trash} className={styles['title'] ?? ''} />
      {list.isError && <Problem title={t.trashPage.failedTitle} error={list.error} onRetry={() => void list.refetch()} />}
      {!recordings && !list.isError && <Skeleton rows={4} kind="row" />}
      {recordings?.length === 0 && (
        <div className={styles['empty']}>
          <h2>{t.trashPage.emptyTitle}</h2>
          <p className="muted">{t.trashPage.emptyText}</p>
        </div>
      )}
      {recordings && recordings.length > 0 && (
        <ul className={styles['rows']}>
          {recordings.map((recording) => (
            <TrashRow key={recording.id} recording={recording} />
          ))}
        </ul>
      )}
      {list.hasNextPage && (
        <Button onClick={() => void list.fetchNextPage()} disabled={list.isFetchingNextPage}>
          {t.library.older}
        </Button>
      )}
    </>
  );
}

function TrashRow({ recording }: { recording: Recording }) {
  const client = useQueryClient();
  const may = usePermission('recordings.delete');
  const title = titleOf(recording);
  const restore = useMutation({
    mutationFn: () => restoreRecording(recording.id),
    onSuccess: (changed) => {
      recordingChanged(client, changed);
      toast.say(t.trashPage.restored(title));
    },
    onError: (error) => toast.fail(t.trashPage.restoreFailed, error),
  });
  return (
    <li className={styles['row']}>
      <div className={styles['what']}>
        <Link to="/recordings/$id" params={{ id: recording.id }} className={styles['name']}>
          <span dir="auto" className="cut">
            {title}
          </span>
        </Link>
        {recording.deleted_at && (
          <span className={styles['when']}>{t.trashPage.deleted(dateAndTime(recording.deleted_at))}</span>
        )}
      </div>
      {may && (
        <Button
          leftSection={<Undo2 size={20} strokeWidth={1.75} aria-hidden />}
          onClick={() => restore.mutate()}
          disabled={restore.isPending}
          aria-label={t.trashPage.restoreOf(title)}
        >
          {t.trashPage.restore}
        </Button>
      )}
    </li>
  );
}
