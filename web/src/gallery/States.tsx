import { QueryClient, QueryClientProvider, type InfiniteData } from '@tanstack/react-query';
import { useState, type ReactNode } from 'react';

import { ApiError } from '@/api/errors';
import { enginesQuery, keys, listQuery, meQuery, peaksQuery, recordingQuery, transcriptQuery } from '@/api/queries';
import type { Backups, CopyStates, Me, RecordingDetail, RecordingList, StorageUsage } from '@/api/types';
import { LibraryView } from '@/library/LibraryView';
import { RecordPage } from '@/record/RecordPage';
import { RecorderView } from '@/record/RecorderView';
import { UnsentCard } from '@/record/UnsentCard';
import { RecordingView } from '@/recording/RecordingView';
import { policiesQuery } from '@/settings/queries';
import { SettingsView } from '@/settings/SettingsView';
import { UploadRow } from '@/shell/UploadRow';
import { BackupTile } from '@/storage/BackupTile';
import { backupsQuery, copiesQuery, infoQuery, usageQuery } from '@/storage/queries';
import { StorageView } from '@/storage/StorageView';
import { notTaken, uploadOf } from '@/uploads/state';

import * as fixtures from './fixtures';
import { FOUND, HELD, held, RECORDER, still } from './recorder';
import { BACKUPS, INFO, STORAGE } from './storage';

const away = new ApiError('The database does not answer. Try again in a minute.', 'DATABASE_UNAVAILABLE', 503);
const SENTENCES = [
  'How has he been eating since Friday?',
  'He started the new tablets last week and he sleeps better now.',
  'The weight is down a little, which is what we hoped for, and the cough has gone.',
];

/** A memory that holds what is put there and asks nobody. */
function memory(who: Me = fixtures.me): QueryClient {
  const client = new QueryClient({
    defaultOptions: {
      queries: { retryOnMount: false, staleTime: Infinity, gcTime: Infinity, retry: false, refetchOnWindowFocus: false },
    },
  });
  client.setQueryData(meQuery.queryKey, who);
  client.setQueryData(enginesQuery.queryKey, fixtures.engines);
  return client;
}

function withList(recordings: readonly RecordingDetail[], who?: Me, filter = {}): QueryClient {
  const client = memory(who);
  const page: RecordingList = { items: [...recordings], total: recordings.length, limit: 50, offset: 0, next_cursor: null };
  const data: InfiniteData<RecordingList, string | null> = { pages: [page], pageParams: [null] };
  client.setQueryData([...keys.lists, filter], data);
  return client;
}

function withFailure(key: readonly unknown[]): QueryClient {
  const client = memory();
  client.getQueryCache().build(client, { queryKey: key }).setState({ status: 'error', error: away });
  return client;
}

function withRecording(recording: RecordingDetail): QueryClient {
  const client = memory();
  client.setQueryData(recordingQuery(recording.id).queryKey, recording);
  client.setQueryData(peaksQuery(recording.id).queryKey, fixtures.peaks);
  const said = recording.id === 'silence' ? [] : SENTENCES;
  client.setQueryData(transcriptQuery(recording.id).queryKey, fixtures.transcript(recording.id, said));
  return client;
}

/** What is undefined fails; with `old`, figures that were there before stay. */
function withStorage(usage?: StorageUsage, copies?: CopyStates, old = false): QueryClient {
  const client = memory();
  if (usage) client.setQueryData(usageQuery.queryKey, usage);
  if (copies) {
    client.setQueryData(copiesQuery.queryKey, copies);
    client.setQueryData(infoQuery.queryKey, INFO);
  }
  const failed = { status: 'error' as const, error: away };
  for (const { queryKey } of [...(usage && !old ? [] : [usageQuery]), ...(copies && !old ? [] : [copiesQuery])]) {
    client.getQueryCache().build(client, { queryKey }).setState(failed);
  }
  return client;
}

function withBackups(backups: Backups): QueryClient {
  const client = memory();
  client.setQueryData(backupsQuery.queryKey, backups);
  return client;
}

function withPolicies(on: boolean): QueryClient {
  const client = memory();
  client.setQueryData(policiesQuery.queryKey, { shared_computers: on });
  return client;
}

const file = { kind: 'file' as const, filename: 'visit.m4a', bytes: 48_000_000, sentBytes: 29_760_000, seconds: null };
const rate = { code: 'RATE_LIMITED', message: 'More than 60 uploads were begun in a minute. Wait a little.', status: 429 };
const long = { code: 'MEDIA_TOO_LONG', message: 'The file lasts 9 h; up to 8 h are taken. Send it in parts.', status: 413 };
const UPLOADS = [
  uploadOf(held('on-device', file)),
  uploadOf(held('waiting', { ...file, problem: rate, retryAt: Date.now() + 20_000 })),
  uploadOf(held('sending', { ...file, speed: 900_000 })),
  uploadOf(held('sending', { ...file, id: 'sealing', sentBytes: file.bytes })),
  uploadOf(held('safe', file)),
  uploadOf(held('refused', { ...file, problem: long })),
  uploadOf(held('needs-file', file)),
  notTaken('empty', { name: 'nothing.wav', size: 0 }, { message: 'The file is empty.', code: 'UPLOAD_EMPTY' }),
];

const all = Object.values(fixtures.states).filter((recording) => !recording.is_deleted);

const LISTS: readonly [string, () => QueryClient, { q?: string }][] = [
  ['List: full', () => withList(all), {}],
  ['List: first run', () => withList([]), {}],
  ['List: first run, viewer', () => withList([], fixtures.viewer), {}],
  ['List: nothing matches', () => withList([], undefined, { q: 'metformin' }), { q: 'metformin' }],
  ['List: loading', () => memory(), {}],
  ['List: failed', () => withFailure(listQuery({}).queryKey), {}],
];

/** Every state of the list, of a recording, of the recorder, of storage and of an upload, from fixtures. Only while developing. */
export function States() {
  // Nothing here asks a server: what is not in a state's memory stays on its way for ever.
  useState(() => {
    window.fetch = () => new Promise<Response>(() => undefined);
  });
  return (
    <main style={{ display: 'grid', gap: 48, maxWidth: 1180, margin: '0 auto', padding: 24 }}>
      {LISTS.map(([name, make, filter]) => (
        <State key={name} name={name} make={make}>
          <LibraryView filter={filter} onFilter={() => undefined} />
        </State>
      ))}
      {Object.entries(fixtures.states).map(([name, recording]) => (
        <State key={name} name={`Recording: ${name}`} make={() => withRecording(recording)}>
          <RecordingView id={recording.id} />
        </State>
      ))}
      <State name="Recording: loading" make={() => memory()}>
        <RecordingView id="loading" />
      </State>
      <State name="Recording: failed to load" make={() => withFailure(keys.recording('away'))}>
        <RecordingView id="away" />
      </State>
      {RECORDER.map(([name, snapshot]) => (
        <State key={name} name={`Recorder: ${name}`} make={() => memory()}>
          <RecorderView recorder={still(snapshot)} snapshot={snapshot} />
        </State>
      ))}
      <State name="Recorder: viewer" make={() => memory(fixtures.viewer)}>
        <RecordPage />
      </State>
      <State name="On this device" make={() => memory()}>
        <div style={{ display: 'grid', gap: 16 }}>
          {HELD.map((one) => (
            <UnsentCard key={one.id} recording={one} />
          ))}
        </div>
      </State>
      <State name="Found after the page closed" make={() => memory()}>
        <div style={{ display: 'grid', gap: 16 }}>
          {FOUND.map((one) => (
            <UnsentCard key={one.id} recording={one} found />
          ))}
        </div>
      </State>
      {STORAGE.map(([name, usage, copies]) => (
        <State key={name} name={`Storage: ${name}`} make={() => withStorage(usage, copies)}>
          <StorageView />
        </State>
      ))}
      {BACKUPS.map(([name, backups]) => (
        <State key={name} name={`Backups: ${name}`} make={() => withBackups(backups)}>
          <BackupTile />
        </State>
      ))}
      <State name="Storage: loading" make={() => memory()}>
        <StorageView />
      </State>
      <State name="Storage: failed" make={() => withStorage()}>
        <StorageView />
      </State>
      <State name="Storage: one tile failed" make={() => withStorage(STORAGE[0]?.[1])}>
        <StorageView />
      </State>
      <State name="Storage: old" make={() => withStorage(STORAGE[0]?.[1], STORAGE[0]?.[2], true)}>
        <StorageView />
      </State>
      {[false, true].map((on) => (
        <State key={String(on)} name={`Settings: shared computers ${on ? 'on' : 'off'}`} make={() => withPolicies(on)}>
          <SettingsView />
        </State>
      ))}
      <State name="Settings: failed" make={() => withFailure(policiesQuery.queryKey)}>
        <SettingsView />
      </State>
      <State name="Uploads" make={() => memory()}>
        <ul>
          {UPLOADS.map((one) => (
            <UploadRow key={one.id} upload={one} />
          ))}
        </ul>
      </State>
    </main>
  );
}

function State({ name, make, children }: { name: string; make: () => QueryClient; children: ReactNode }) {
  const [client] = useState(make);
  return (
    <section aria-label={name} data-state={name}>
      <p style={{ marginBottom: 8, color: 'var(--muted)', fontSize: 12 }}>{name}</p>
      <div style={{ padding: 16, border: '1px dashed var(--line)' }}>
        <QueryClientProvider client={client}>{children}</QueryClientProvider>
      </div>
    </section>
  );
}
