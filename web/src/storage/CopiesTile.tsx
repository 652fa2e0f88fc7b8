import type { UseQueryResult } from '@tanstack/react-query';
import { CircleAlert, CircleCheck } from 'lucide-react';

import type { CopyStates } from '@/api/types';
import { dateAndTime } from '@/format/time';
import { t } from '@/messages';
import { Problem } from '@/ui';
import { Skeleton } from '@/ui/shell';

import { Command } from './Command';
import styles from './Storage.module.css';
import type { StateName } from './stores';

const LATELY_MS = 48 * 3_600_000;
const WORDS: readonly StateName[] = ['missing', 'damaged', 'making', 'deleting'];

/** Whether every copy is as it should be; it may fail by itself while the rest of the page is live. */
export function CopiesTile({ states }: { states: UseQueryResult<CopyStates> }) {
  const { data } = states;
  return (
    <section className={styles['tile']} aria-labelledby="storage-copies">
      <h2 id="storage-copies">{t.storage.states}</h2>
      {states.isError && (
        <Problem
          title={
            data
              ? t.storage.stale(dateAndTime(new Date(states.dataUpdatedAt).toISOString()))
              : t.storage.failedStates
          }
          error={states.error}
          onRetry={() => void states.refetch()}
          copy={false}
          small
        />
      )}
      {states.isPending && <Skeleton rows={2} kind="line" />}
      {data && <States states={data} asOf={states.dataUpdatedAt} />}
    </section>
  );
}

function States({ states, asOf }: { states: CopyStates; asOf: number }) {
  const sum = (state: StateName) =>
    states.unsettled.filter((one) => one.state === state).reduce((total, one) => total + one.copies, 0);
  const lost = sum('missing') + sum('damaged') > 0;
  // A green mark stands for what was read back lately, never for what nobody looks at.
  const looked = states.verified_last !== null && asOf - Date.parse(states.verified_last) < LATELY_MS;
  return (
    <>
      <p className={styles[lost ? 'warn' : looked ? 'ok' : 'muted']}>
        {lost ? (
          <CircleAlert size={20} strokeWidth={1.75} aria-hidden />
        ) : looked ? (
          <CircleCheck size={20} strokeWidth={1.75} aria-hidden />
        ) : null}
        <span>
          {lost
            ? WORDS.filter((state) => (state === 'missing' || state === 'damaged') && sum(state) > 0)
                .map((state) => t.storage[state](sum(state)))
                .join(', ')
            : looked
              ? t.storage.allThere
              : states.verified_last === null
                ? t.storage.neverLooked
                : t.storage.notLately}
        </span>
      </p>
      {lost && <Command text={t.storage.repair} command="reelkeep storage check --repair" />}
      {(['making', 'deleting'] as const)
        .filter((state) => sum(state) > 0)
        .map((state) => (
          <p key={state}>{t.storage[state](sum(state))}</p>
        ))}
      {!states.all_counted && <p className={styles['note']}>{t.storage.more}</p>}
      {states.verified_last !== null && (
        <dl className={styles['facts']}>
          <dt>{t.storage.verifiedLast}</dt>
          <dd>
            <time dateTime={states.verified_last}>{dateAndTime(states.verified_last)}</time>
          </dd>
          {states.verified_longest_ago !== null && !states.has_unverified && (
            <>
              <dt>{t.storage.verifiedOldest}</dt>
              <dd>
                <time dateTime={states.verified_longest_ago}>{dateAndTime(states.verified_longest_ago)}</time>
              </dd>
            </>
          )}
        </dl>
      )}
      {states.verified_last !== null && states.has_unverified && <p className={styles['note']}>{t.storage.never}</p>}
      <Reading states={states} lost={lost} />
    </>
  );
}

/** How the reading of all copies goes on, and what it found. */
function Reading({ states, lost }: { states: CopyStates; lost: boolean }) {
  const { found_bad: found, reading_days: days } = states;
  const many = found.copies > 0 && found.last_at !== null;
  return (
    <>
      <p className={styles[days === null ? 'warn' : 'note']}>
        {days === null ? t.storage.notReading : t.storage.reading(days)}
      </p>
      <p className={styles[many ? 'foundBad' : 'note']}>
        {many && found.last_at ? t.storage.found(found.copies, dateAndTime(found.last_at)) : t.storage.foundNone}
        {many && !lost && ` ${t.storage.foundMended}`}
      </p>
    </>
  );
}
