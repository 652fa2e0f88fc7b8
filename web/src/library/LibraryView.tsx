import { useInfiniteQuery } from '@tanstack/react-query';

import { listQuery } from '@/api/queries';
import { t } from '@/messages';
import { usePermission } from '@/me/usePermission';
import { Button, PageTitle, Problem } from '@/ui';
import { Skeleton } from '@/ui/shell';

import { Empty, NothingMatches } from './Empty';
import { FilterBar, type Filter } from './FilterBar';
import { RecordingList } from './RecordingList';
import { RecordLink } from './RecordLink';
import { UploadButton } from './UploadButton';
import styles from './Library.module.css';

interface Props {
  filter: Filter;
  onFilter: (filter: Filter) => void;
}

export function LibraryView({ filter, onFilter }: Props) {
  const list = useInfiniteQuery(listQuery(filter));
  const mayUpload = usePermission('recordings.write');
  const recordings = list.data?.pages.flatMap((page) => page.items);
  const total = list.data?.pages[0]?.total ?? 0;
  const filtered = Boolean(filter.q ?? filter.status);
  const first = recordings?.length === 0 && !filtered;

  return (
    <>
      <header className={styles['header']}>
        <PageTitle name={t.recordings} />
        {mayUpload && (
          <div className={styles['ways']}>
            <UploadButton variant="default" />
            <RecordLink />
          </div>
        )}
      </header>
      {!first && <FilterBar filter={filter} onFilter={onFilter} />}
      <p role="status" className="visually-hidden">
        {filtered && recordings && !list.isPlaceholderData ? t.library.found(total) : ''}
      </p>
      {list.isError && (
        <div className={styles['problem']}>
          <Problem
            title={recordings ? t.library.staleTitle : t.library.failedTitle}
            error={list.error}
            onRetry={() => void list.refetch()}
            small={recordings !== undefined}
          />
        </div>
      )}
      {!recordings && !list.isError && <Skeleton rows={8} kind="row" />}
      {first && <Empty mayUpload={mayUpload} />}
      {recordings?.length === 0 && filtered && <NothingMatches filter={filter} onFilter={onFilter} />}
      {recordings && recordings.length > 0 && <RecordingList recordings={recordings} />}
      {list.hasNextPage && (
        <div className={styles['older']}>
          <Button onClick={() => void list.fetchNextPage()} disabled={list.isFetchingNextPage}>
            {list.isFetchingNextPage ? t.library.loadingOlder : t.library.older}
          </Button>
        </div>
      )}
    </>
  );
}
