import { usePermission } from '@/me/usePermission';
import { NotHere } from '@/shell/NotHere';

import { StorageView } from './StorageView';

export function StoragePage() {
  return usePermission('storage.read') ? <StorageView /> : <NotHere />;
}
