import { Link } from '@tanstack/react-router';

import { t } from '@/messages';
import { Button, PageTitle } from '@/ui';
import { Skeleton } from '@/ui/shell';

import { deviceClient, useUnsent } from './device';
import styles from './Record.module.css';
import { UnsentCard } from './UnsentCard';

/** What this device still holds. */
export function UnsentPage() {
  const all = useUnsent();
  const waiting = all.filter((one) => one.phase !== 'safe' && one.phase !== 'recording' && one.mine);
  return (
    <div className={styles['page']}>
      <PageTitle name={t.record.unsentTitle} className={styles['title'] ?? ''} />
      {!deviceClient().loaded() && <Skeleton rows={2} kind="row" />}
      {deviceClient().loaded() && all.length === 0 && (
        <div className={styles['empty']}>
          <h2>{t.record.nothingUnsent}</h2>
          <p className="muted">{t.record.nothingUnsentText}</p>
          <Link to="/record">{t.record.title}</Link>
        </div>
      )}
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
    </div>
  );
}
