import { useQuery } from '@tanstack/react-query';

import { meQuery } from '@/api/queries';

type Permission =
  | 'recordings.read'
  | 'recordings.write'
  | 'recordings.delete'
  | 'members.manage'
  | 'policies.manage'
  | 'storage.read';

export function usePermission(permission: Permission): boolean {
  const { data } = useQuery(meQuery);
  return data?.permissions.includes(permission) ?? false;
}
