import { useQuery } from '@tanstack/react-query';
import { CircleAlert, CircleCheck } from 'lucide-react';

import type { Backups } from '@/api/types';
import { fileSize } from '@/format/bytes';
import { dateAndTime } from '@/format/time';
import { t } from '@/messages';
import { Problem } from '@/ui';
import { Skeleton } from '@/ui/shell';

import { Command } from './Command';
import { backupsQuery } from './queries';
import styles from './Storage.module.css';

const LATELY_MS = 48 * 3_600_000;
const SHOWN = 5;
const words = t.storage.backup;

/** When the last backup was made, and what is wrong with it; it may fail by itself while the rest is live. */
export function BackupTile() {
  const backups = useQuery(backupsQuery);
  const { data } = backups;
  return (
    <section className={styles['tile']} aria-labelledby="storage-backups">
      <h2 id="storage-backups">{words.title}</h2>
      {backups.isError && (
        <Problem
          title={data ? t.storage.stale(dateAndTime(new Date(backups.dataUpdatedAt).toISOString())) : words.failedToLoad}
          error={backups.error}
          onRetry={() => void backups.refetch()}
          copy={false}
          small
        />
      )}
      {backups.isPending && <Skeleton rows={2} kind="line" />}
      {data && <Standing backups={data} asOf={backups.dataUpdatedAt} />}
    </section>
  );
}

function Standing({ backups, asOf }: { backups: Backups; asOf: number }) {
  const { problem, fix, last_whole_at: whole, last_drilled_at: drilled, items } = backups;
  const running = items.find((one) => one.state === 'running');
  const lately = whole !== null && asOf - Date.parse(whole) < LATELY_MS;
  // With a schedule the server says when one is late; without, a green mark is for a fresh one alone.
  const fine = problem === null && whole !== null && (lately || backups.is_scheduled);
  return (
    <>
      <p className={styles[problem !== null || whole === null ? 'warn' : fine ? 'ok' : 'muted']}>
        {problem !== null || whole === null ? (
          <CircleAlert size={20} strokeWidth={1.75} aria-hidden />
        ) : fine ? (
          <CircleCheck size={20} strokeWidth={1.75} aria-hidden />
        ) : null}
        <span dir="auto" className={styles['said']}>
          {problem ?? (whole === null ? words.none : fine ? words.fine : words.old)}
        </span>
      </p>
      {fix && <p className={styles['note']}>{withCommands(fix)}</p>}
      {running && <p>{words.running(dateAndTime(running.started_at))}</p>}
      {whole !== null && (
        <dl className={styles['facts']}>
          <Moment name={words.last} at={whole} />
          {drilled !== null && <Moment name={words.drilled} at={drilled} />}
        </dl>
      )}
      {whole !== null && drilled === null && <Command text={words.neverDrilled} command="reelkeep backup drill" />}
      {!backups.is_scheduled && (
        <>
          <p className={styles['note']}>{words.notScheduled}</p>
          {whole === null && problem === null && <Command text={words.make} command="reelkeep backup" />}
        </>
      )}
      {items.length > 0 && <Latest items={items.slice(0, SHOWN)} />}
    </>
  );
}

function Moment({ name, at }: { name: string; at: string }) {
  return (
    <>
      <dt>{name}</dt>
      <dd>
        <time dateTime={at}>{dateAndTime(at)}</time>
      </dd>
    </>
  );
}

function Latest({ items }: { items: Backups['items'] }) {
  return (
    <details className={styles['latest']}>
      <summary>{words.latest}</summary>
      <ul>
        {items.map((one) => (
          <li key={one.id}>
            <time dateTime={one.started_at}>{dateAndTime(one.started_at)}</time>
            <span className={styles['note']}>{about(one)}</span>
            {one.state === 'failed' && one.error_message && (
              <span className={styles['note']} dir="auto">
                {one.error_message}
              </span>
            )}
          </li>
        ))}
      </ul>
    </details>
  );
}

/** What the server sets in backticks is typed on the server. */
const withCommands = (text: string) =>
  text.split('`').map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part));

const about = (one: Backups['items'][number]) =>
  [
    words.states[one.state] ?? one.state,
    one.with_blobs ? words.withSound : words.withoutSound,
    one.size_bytes === null ? null : fileSize(one.size_bytes),
    one.blobs_missing ? words.missing(one.blobs_missing) : null,
  ]
    .filter(Boolean)
    .join(' · ');
