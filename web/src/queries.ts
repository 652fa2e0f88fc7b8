import { QueryClient } from '@tanstack/react-query';

import { isTransient } from './api/errors';

/** The page's memory of the server's answers. */
export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 1_000,
      retry: (failures, error) => failures < 2 && isTransient(error),
      networkMode: 'always',
    },
    mutations: { networkMode: 'always' },
  },
});
