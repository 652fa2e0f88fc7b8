import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';

import type { StorageUsage } from '@/api/types';
import { fileSize } from '@/format/bytes';
import { money } from '@/format/money';
import { dateAndTime } from '@/format/time';
import { t } from '@/messages';
import { PageTitle, Problem } from '@/ui';
import { Progress, Skeleton } from '@/ui/shell';

import { BackupTile } from './BackupTile';
import { CopiesTile } from './CopiesTile';
import { Command } from './Command';
import { MovePreview } from './MovePreview';
import { copiesQuery, infoQuery, usageQuery } from './queries';
import styles from './Storage.module.css';
import { StoreList } from './StoreList';
import { fullness } from './stores';

const NEARLY = 0.9;

export function StorageView() {
  const usage = useQuery(usageQuery);
  const states = useQuery(copiesQuery);
  const info = useQuery(infoQuery);
  const nothing = usage.data?.stores.length === 0 && usage.data.bytes_reserved === 0;
  const title = usage.data ? t.storage.stale(dateAndTime(new Date(usage.dataUpdatedAt).toISOString())) : t.storage.failed;
  return (
    <div className={styles['page']}>
      <PageTitle name={t.storage.title} />
      {usage.isError && (
        <Problem title={title} error={usage.error} onRetry={() => void usage.refetch()} small={usage.data !== undefined}>
          {!usage.data && <Command text={t.storage.doctor} command="reelkeep doctor" />}
        </Problem>
      )}
      {usage.isPending && <Skeleton rows={3} kind="row" />}
      {usage.data && nothing && (
        <>
          <Nothing />
          <div className={styles['tiles']}>
            <BackupTile />
          </div>
        </>
      )}
      {usage.data && !nothing && (
        <>
          <div className={styles['tiles']}>
            <Space usage={usage.data} />
            <CopiesTile states={states} />
            <BackupTile />
            <Cost usage={usage.data} />
          </div>
          <StoreList usage={usage.data} states={states.data} info={info.data} />
          {info.data && <MovePreview info={info.data} />}
        </>
      )}
    </div>
  );
}

function Nothing() {
  return (
    <div className={styles['empty']}>
      <h2>{t.storage.emptyTitle}</h2>
      <p className="muted">{t.storage.emptyText}</p>
      <p>
        <Link to="/recordings">{t.storage.emptyLink}</Link>
      </p>
    </div>
  );
}

function Space({ usage }: { usage: StorageUsage }) {
  const full = fullness(usage);
  const used = fileSize(usage.bytes_used);
  const quota = usage.quota_bytes === null ? null : fileSize(usage.quota_bytes);
  return (
    <section className={styles['tile']} aria-labelledby="storage-space">
      <h2 id="storage-space">{t.storage.quota}</h2>
      <p className={styles['figure']}>{quota === null ? t.storage.used(used) : t.storage.usedOf(used, quota)}</p>
      {full === null ? (
        <p className="muted">{t.storage.noLimit}</p>
      ) : (
        <Progress value={full} label={t.storage.quota} />
      )}
      {full !== null && full >= NEARLY && (
        <p className={styles['warn']}>{full >= 1 ? t.storage.full : t.storage.nearlyFull}</p>
      )}
      {usage.bytes_reserved > 0 && <p>{t.storage.reserved(fileSize(usage.bytes_reserved))}</p>}
      <p className={styles['note']}>{t.storage.countedOnce}</p>
    </section>
  );
}

function Cost({ usage }: { usage: StorageUsage }) {
  const { cost_per_month: cost, currency, stores_without_prices: without } = usage;
  const known = cost !== null && currency !== null;
  return (
    <section className={styles['tile']} aria-labelledby="storage-cost">
      <h2 id="storage-cost">{t.storage.cost}</h2>
      {known && <p className={styles['figure']}>{t.storage.perMonth(money(Number(cost), currency))}</p>}
      <p className={styles['note']}>{known ? t.storage.costText : t.storage.costNone}</p>
      {known && without.length > 0 && <p>{t.storage.without(without)}</p>}
    </section>
  );
}
