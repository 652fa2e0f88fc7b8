/** Every question the page asks, with how long an answer is good. A live event stream later writes into the same keys. */
import {
  infiniteQueryOptions,
  keepPreviousData,
  queryOptions,
  type InfiniteData,
  type QueryClient,
} from '@tanstack/react-query';

import { api, bodyOf } from './client';
import { ApiError } from './errors';
import type { RecordingDetail, RecordingList, RecordingStatus, Transcript } from './types';

const BUSY_MS = 2_000;
const QUIET_MS = 30_000;
const PAGE_ROWS = 50;

export interface ListFilter {
  q?: string | undefined;
  status?: RecordingStatus | undefined;
  deleted?: boolean | undefined;
}

export const keys = {
  me: ['me'] as const,
  lists: ['recordings'] as const,
  recording: (id: string) => ['recording', id] as const,
  transcript: (id: string) => ['transcript', id] as const,
};

export const infoQuery = queryOptions({
  queryKey: ['info'],
  queryFn: () => bodyOf(api.GET('/api/v1/info')),
  staleTime: 5 * 60_000,
});

export const meQuery = queryOptions({
  queryKey: keys.me,
  queryFn: async () => {
    try {
      return await bodyOf(api.GET('/api/v1/auth/me'));
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) return null;
      throw error;
    }
  },
  staleTime: 5 * 60_000,
});

export const enginesQuery = queryOptions({
  queryKey: ['engines'],
  queryFn: () => bodyOf(api.GET('/api/v1/engines')),
  staleTime: 60_000,
});

const isMoving = (status: RecordingStatus) =>
  status === 'uploading' || status === 'uploaded' || status === 'processing';

export function listQuery(filter: ListFilter) {
  return infiniteQueryOptions({
    queryKey: [...keys.lists, filter],
    initialPageParam: null as string | null,
    queryFn: ({ pageParam, signal }) =>
      bodyOf(
        api.GET('/api/v1/recordings/', {
          params: {
            query: {
              limit: PAGE_ROWS,
              ...(filter.q ? { q: filter.q } : {}),
              ...(filter.status ? { status: filter.status } : {}),
              ...(filter.deleted ? { deleted: true } : {}),
              ...(pageParam ? { cursor: pageParam } : {}),
            },
          },
          signal,
        }),
      ),
    getNextPageParam: (page) => page.next_cursor,
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => {
      const pages = (state.data as InfiniteData<RecordingList> | undefined)?.pages ?? [];
      return pages.some((page) => page.items.some((item) => isMoving(item.status))) ? BUSY_MS : QUIET_MS;
    },
    gcTime: 60 * 60_000,
  });
}

export const stillWorking = (recording: RecordingDetail) =>
  recording.status === 'uploading' ||
  recording.steps.some((step) => step.state === 'todo' || step.state === 'running');

export function recordingQuery(id: string) {
  return queryOptions({
    queryKey: keys.recording(id),
    queryFn: ({ signal }) =>
      bodyOf(api.GET('/api/v1/recordings/{recording_id}', { params: { path: { recording_id: id } }, signal })),
    refetchInterval: ({ state }) => (state.data && stillWorking(state.data) ? BUSY_MS : QUIET_MS),
  });
}

export function transcriptQuery(id: string) {
  return queryOptions({
    queryKey: keys.transcript(id),
    // One path answers in four formats, so that the document cannot type it: json is a TranscriptOut.
    queryFn: ({ signal }): Promise<Transcript> =>
      bodyOf(
        api.GET('/api/v1/recordings/{recording_id}/transcript', {
          params: { path: { recording_id: id }, query: { format: 'json' } },
          signal,
        }) as Promise<{ data?: Transcript }>,
      ),
    staleTime: Infinity,
  });
}

export function peaksQuery(id: string) {
  return queryOptions({
    queryKey: ['peaks', id],
    queryFn: ({ signal }) =>
      bodyOf(api.GET('/api/v1/recordings/{recording_id}/peaks', { params: { path: { recording_id: id } }, signal })),
    staleTime: Infinity,
  });
}

/** What a list already knows about a recording, so that its page opens at once. */
export function listedRecording(client: QueryClient, id: string) {
  for (const [, data] of client.getQueriesData<InfiniteData<RecordingList>>({ queryKey: keys.lists })) {
    const found = data?.pages.flatMap((page) => page.items).find((item) => item.id === id);
    if (found) return found;
  }
  return undefined;
}

/** After a change: the page of the recording shows the answer, the lists ask again. */
export function recordingChanged(client: QueryClient, recording: RecordingDetail): void {
  client.setQueryData(keys.recording(recording.id), recording);
  void client.invalidateQueries({ queryKey: keys.lists });
}
