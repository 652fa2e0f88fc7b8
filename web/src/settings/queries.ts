import { queryOptions } from '@tanstack/react-query';

import { api, bodyOf } from '@/api/client';

export const policiesQuery = queryOptions({
  queryKey: ['policies'],
  queryFn: ({ signal }) => bodyOf(api.GET('/api/v1/organization/policies', { signal })),
});
