import { useState } from 'react';

import { t } from '@/messages';
import { Button, TextInput } from '@/ui';
import { Modal } from '@/ui/shell';

import styles from './Record.module.css';

/** Throwing away what exists nowhere else is typed, never tapped. */
export function DiscardButton({ name, onDiscard }: { name: string; onDiscard: () => void }) {
  const [open, setOpen] = useState(false);
  const [typed, setTyped] = useState('');
  const sure = typed.trim().toLowerCase() === t.record.discardWord.toLowerCase();
  return (
    <>
      <Button variant="subtle" color="red" onClick={() => setOpen(true)}>
        {t.record.discard}
      </Button>
      <Modal opened={open} onClose={() => setOpen(false)} title={t.record.discardTitle(name)}>
        <div className={styles['fields']}>
          <p>{t.record.discardText}</p>
          <TextInput
            label={t.record.discardLabel(t.record.discardWord)}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
          />
          <div className={styles['actions']}>
            <Button onClick={() => setOpen(false)}>{t.record.keep}</Button>
            <Button
              color="red"
              variant="filled"
              disabled={!sure}
              onClick={() => {
                setOpen(false);
                onDiscard();
              }}
            >
              {t.record.discardNow}
            </Button>
          </div>
        </div>
      </Modal>
    </>
  );
}
