import { Link } from '@tanstack/react-router';

import { t } from '@/messages';
import { Button, PageTitle } from '@/ui';
import { Skeleton } from '@/ui/shell';

import { deviceClient, useUnsent } from './device';
import styles from './Record.module.css';
import { NotAllowed } from './RecordPage';
import { UnsentCard } from './UnsentCard';
import { useMayRecord } from './useMayRecord';

/** What this device still holds. */
export function UnsentPage() {
  const may = useMayRecord();
  return (
    <div className={styles['page']}>
      <PageTitle name={t.record.unsentTitle} className={styles['title'] ?? ''} />
      {may ? <Held /> : <NotAllowed />}
    </div>
  );
}

const SENDABLE = new Set(['on-device', 'waiting', 'refused']);

function Held() {
  const all = useUnsent();
  const waiting = all.filter((one) => one.mine && SENDABLE.has(one.phase));
  if (!deviceClient().loaded()) return <Skeleton rows={2} kind="row" />;
  if (all.length === 0) return <NothingHeld />;
  return (
    <>
      {waiting.length > 1 && (
        <Button onClick={() => void deviceClient().sendUnsent()}>{t.record.sendAll(waiting.length)}</Button>
      )}
      <ul className={styles['cards']}>
        {all.map((one) => (
          <li key={one.id}>
            <UnsentCard recording={one} />
          </li>
        ))}
      </ul>
    </>
  );
}

function NothingHeld() {
  return (
    <div className={styles['empty']}>
      <h2>{t.record.nothingUnsent}</h2>
      <p className="muted">{t.record.nothingUnsentText}</p>
      <Link to="/record">{t.record.title}</Link>
    </div>
  );
}
