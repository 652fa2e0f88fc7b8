import { usePermission } from '@/me/usePermission';
import { NotHere } from '@/shell/NotHere';

import { SettingsView } from './SettingsView';

export function SettingsPage() {
  return usePermission('policies.manage') ? <SettingsView /> : <NotHere />;
}
