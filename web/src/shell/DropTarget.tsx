import { Upload } from 'lucide-react';
import { useEffect, useState } from 'react';

import { t } from '@/messages';
import { uploads } from '@/uploads/use';

import styles from './DropTarget.module.css';

const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;

/** Files may be dropped on any page, anywhere. The button in the library is the other way. */
export function DropTarget() {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    const enter = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      depth += 1;
      setOver(true);
    };
    const leave = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      depth = Math.max(0, depth - 1);
      if (depth === 0) setOver(false);
    };
    const hover = (event: DragEvent) => {
      if (hasFiles(event)) event.preventDefault();
    };
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      setOver(false);
      void uploads.add(filesOf(event.dataTransfer));
    };
    const listeners = { dragenter: enter, dragleave: leave, dragover: hover, drop };
    for (const [name, listener] of Object.entries(listeners)) window.addEventListener(name, listener as EventListener);
    return () => {
      for (const [name, listener] of Object.entries(listeners)) {
        window.removeEventListener(name, listener as EventListener);
      }
    };
  }, []);
  if (!over) return null;
  return (
    <div className={styles['target']} aria-hidden>
      <div className={styles['frame']}>
        <Upload size={32} strokeWidth={1.75} />
        {t.library.drop}
      </div>
    </div>
  );
}

/** A folder looks like a file that cannot be read: left out. */
function filesOf(transfer: DataTransfer | null): File[] {
  if (!transfer) return [];
  const items = [...transfer.items];
  return items
    .filter((item) => item.kind === 'file' && item.webkitGetAsEntry()?.isDirectory !== true)
    .map((item) => item.getAsFile())
    .filter((file) => file !== null);
}
