import { useQuery } from '@tanstack/react-query';
import { AudioLines, X } from 'lucide-react';

import { enginesQuery } from '@/api/queries';
import { usePermission } from '@/me/usePermission';
import { t } from '@/messages';
import { Button } from '@/ui';

import type { Filter } from './FilterBar';
import styles from './Library.module.css';
import { RecordLink } from './RecordLink';
import { UploadButton } from './UploadButton';

/** The first minute: one thing to do, and what will happen with it. */
export function Empty({ mayUpload }: { mayUpload: boolean }) {
  return (
    <div className={styles['empty']} data-drop={mayUpload || undefined}>
      <AudioLines size={32} strokeWidth={1.75} aria-hidden />
      <h2>{mayUpload ? t.library.dropHere : t.library.emptyTitle}</h2>
      <p className="muted">{mayUpload ? t.library.dropMore : t.library.emptyViewer}</p>
      {mayUpload && (
        <>
          <div className={styles['ways']}>
            <UploadButton label={t.library.chooseFiles} />
            <RecordLink />
          </div>
          <EngineNote />
        </>
      )}
    </div>
  );
}

function EngineNote() {
  const { data } = useQuery(enginesQuery);
  // Who keeps the server is told what it could have; a member can do nothing about it.
  const mayChange = usePermission('storage.read');
  if (!data) return null;
  const chosen = data.engines.find((engine) => engine.name === data.chosen);
  const better = data.engines.find((engine) => !engine.ready && engine.fix);
  return (
    <div className={styles['engine']}>
      <p>
        {chosen ? t.library.engine(data.why) : t.library.noEngine}
      </p>
      {mayChange && better?.fix && (
        <p>
          {t.library.engineBetter} {better.fix}
        </p>
      )}
    </div>
  );
}

export function NothingMatches({ filter, onFilter }: { filter: Filter; onFilter: (filter: Filter) => void }) {
  const { q, status } = filter;
  return (
    <div className={styles['empty']}>
      <h2>{t.library.nothingMatches}</h2>
      <div className={styles['chips']}>
        {q && (
          <Button leftSection={<X size={16} aria-hidden />} onClick={() => onFilter(status ? { status } : {})}>
            {t.library.without(`“${q}”`)}
          </Button>
        )}
        {status && (
          <Button leftSection={<X size={16} aria-hidden />} onClick={() => onFilter(q ? { q } : {})}>
            {t.library.without(`${t.library.stateLabel}: ${t.status[status]}`)}
          </Button>
        )}
        <Button onClick={() => onFilter({})}>{t.library.clearAll}</Button>
      </div>
    </div>
  );
}
