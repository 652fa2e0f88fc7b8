import { Link } from '@tanstack/react-router';
import { AudioLines, CircleUserRound, HardDrive, Mic, Trash2 } from 'lucide-react';

import { usePermission } from '@/me/usePermission';
import { t } from '@/messages';
import { Wordmark } from '@/ui';

import styles from './Navigation.module.css';

const PLACES = [
  { to: '/recordings', label: t.recordings, icon: AudioLines },
  { to: '/record', label: t.record.short, icon: Mic, needs: 'recordings.write' },
  { to: '/trash', label: t.trash, icon: Trash2 },
  { to: '/admin/storage', label: t.storage.title, icon: HardDrive, needs: 'storage.read' },
  { to: '/me', label: t.me, icon: CircleUserRound },
] as const;

function Places({ className }: { className: string | undefined }) {
  const may = { 'recordings.write': usePermission('recordings.write'), 'storage.read': usePermission('storage.read') };
  return (
    <ul className={className}>
      {PLACES.filter((place) => !('needs' in place) || may[place.needs]).map(({ to, label, icon: Icon }) => (
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
      <Places className={styles['column']} />
    </nav>
  );
}

export function BottomBar() {
  return (
    <nav className={styles['bottom']} aria-label={t.mainNavigation}>
      <Places className={styles['row']} />
    </nav>
  );
}
