import { t } from '@/messages';
import { usePreferences } from '@/preferences';
import { Modal } from '@/ui/shell';

import styles from './Recording.module.css';

export function KeysHelp({ open, onClose }: { open: boolean; onClose: () => void }) {
  const { shortcuts } = usePreferences();
  return (
    <Modal opened={open} onClose={onClose} title={t.keys.title} closeButtonProps={{ 'aria-label': t.close }}>
      {!shortcuts && <p>{t.keys.off}</p>}
      <dl className={styles['keyList']}>
        {t.keys.rows.map(([key, what]) => (
          <div key={key}>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{what}</dd>
          </div>
        ))}
      </dl>
    </Modal>
  );
}
