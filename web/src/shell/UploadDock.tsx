import { ChevronDown, ChevronUp, CircleAlert, CircleCheck, Upload as UploadIcon } from 'lucide-react';
import { useState } from 'react';

import { t } from '@/messages';
import { isUnsafe, needsYou, type Upload } from '@/uploads/state';
import { uploads, useUploads } from '@/uploads/use';
import { Button } from '@/ui';

import styles from './UploadDock.module.css';
import { UploadRow } from './UploadRow';

/** What is on its way from this device, on every page. */
export function UploadDock() {
  const all = useUploads();
  const [open, setOpen] = useState(true);
  if (all.length === 0) return null;
  const safe = all.filter((upload) => upload.phase === 'safe').length;
  return (
    <section className={styles['dock']} aria-label={t.uploads.title}>
      <div className={styles['head']}>
        <button type="button" className={styles['summary']} aria-expanded={open} onClick={() => setOpen(!open)}>
          <Summary all={all} />
          {open ? <ChevronDown size={20} aria-hidden /> : <ChevronUp size={20} aria-hidden />}
        </button>
        {open && safe > 0 && (
          <Button variant="subtle" onClick={() => uploads.clearSafe()}>
            {t.uploads.clearDone}
          </Button>
        )}
      </div>
      {open && (
        <ul className={styles['rows']}>
          {all.map((upload) => (
            <UploadRow key={upload.id} upload={upload} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Summary({ all }: { all: readonly Upload[] }) {
  const busy = all.filter(isUnsafe).length;
  const needy = all.filter(needsYou).length;
  const safe = all.filter((upload) => upload.phase === 'safe').length;
  return (
    <>
      {busy > 0 && (
        <span className={styles['fact']}>
          <UploadIcon size={20} strokeWidth={1.75} aria-hidden />
          {t.uploads.summaryBusy(busy)}
        </span>
      )}
      {needy > 0 && (
        <span className={styles['fact']} data-kind="needy">
          <CircleAlert size={20} strokeWidth={1.75} aria-hidden />
          {t.uploads.summaryNeedy(needy)}
        </span>
      )}
      {busy === 0 && safe > 0 && (
        <span className={styles['fact']} data-kind="safe">
          <CircleCheck size={20} strokeWidth={1.75} aria-hidden />
          {t.uploads.summarySafe(safe)}
        </span>
      )}
    </>
  );
}
