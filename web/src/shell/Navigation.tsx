import { Link } from '@tanstack/react-router';
import { AudioLines, CircleUserRound, HardDrive, Mic, Settings, Trash2 } from 'lucide-react';

import { usePermission } from '@/me/usePermission';
import { t } from '@/messages';
import { Wordmark } from '@/ui';

import styles from './Navigation.module.css';

const PLACES = [
  { to: '/recordings', label: t.recordings, icon: AudioLines },
  { to: '/record', label: t.record.short, icon: Mic, needs: 'recordings.write' },
  { to: '/trash', label: t.trash, icon: Trash2 },
  { to: '/admin/storage', label: t.storage.title, icon: HardDrive, needs: 'storage.read' },
  { to: '/admin/settings', label: t.settings.title, icon: Settings, needs: 'policies.manage', wide: true },
  { to: '/me', label: t.me, icon: CircleUserRound },
] as const;

/** A phone's bar has no room for all; what it leaves out is reached from Me. */
function Places({ className, wide }: { className: string | undefined; wide: boolean }) {
  const may = {
    'recordings.write': usePermission('recordings.write'),
    'storage.read': usePermission('storage.read'),
    'policies.manage': usePermission('policies.manage'),
  };
  const fits = PLACES.filter((place) => wide || !('wide' in place));
  return (
    <ul className={className}>
      {fits.filter((place) => !('needs' in place) || may[place.needs]).map(({ to, label, icon: Icon }) => (
        <li key={to}>
          <Link to={to} className={styles['place']} activeProps={{ 'data-here': true }}>
            <Icon size={20} strokeWidth={1.75} aria-hidden />
            <span>{label}</span>
          </Link>
        </li>
      ))}
    </ul>
  );
}

export function Sidebar() {
  return (
    <nav className={styles['sidebar']} aria-label={t.mainNavigation}>
      <div className={styles['brand']}>
        <Wordmark />
      </div>
      <Places className={styles['column']} wide />
    </nav>
  );
}

export function BottomBar() {
  return (
    <nav className={styles['bottom']} aria-label={t.mainNavigation}>
      <Places className={styles['row']} wide={false} />
    </nav>
  );
}
