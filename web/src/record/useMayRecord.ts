import { useQuery } from '@tanstack/react-query';

import { meQuery } from '@/api/queries';

/** A sign-in that ended takes nothing away: it is renewed above the page, and a recording goes on below. */
export function useMayRecord(): boolean {
  const { data: me } = useQuery(meQuery);
  return me === null || (me?.permissions.includes('recordings.write') ?? false);
}
