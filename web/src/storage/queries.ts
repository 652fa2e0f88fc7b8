import { queryOptions } from '@tanstack/react-query';

import { api, bodyOf } from '@/api/client';

const EVERY_MS = 30_000;

export const usageQuery = queryOptions({
  queryKey: ['storage', 'usage'],
  queryFn: ({ signal }) => bodyOf(api.GET('/api/v1/storage/usage', { signal })),
  refetchInterval: EVERY_MS,
});

export const infoQuery = queryOptions({
  queryKey: ['storage', 'info'],
  queryFn: ({ signal }) => bodyOf(api.GET('/api/v1/storage/info', { signal })),
  staleTime: 5 * 60_000,
});

export const backupsQuery = queryOptions({
  queryKey: ['storage', 'backups'],
  queryFn: ({ signal }) => bodyOf(api.GET('/api/v1/backups', { signal })),
  refetchInterval: EVERY_MS,
});

export const copiesQuery = queryOptions({
  queryKey: ['storage', 'copies'],
  queryFn: ({ signal }) => bodyOf(api.GET('/api/v1/storage/copies', { signal })),
  refetchInterval: EVERY_MS,
});
