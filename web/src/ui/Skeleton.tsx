import { useEffect, useState } from 'react';

import { t } from '@/messages';

import styles from './Skeleton.module.css';

const LATE_MS = 150;

/** True once waiting has gone on long enough to be worth showing. */
export function useLate(): boolean {
  const [late, setLate] = useState(false);
  useEffect(() => {
    const timer = window.setTimeout(() => setLate(true), LATE_MS);
    return () => window.clearTimeout(timer);
  }, []);
  return late;
}

/** Still grey places of what is coming. */
export function Skeleton({ rows, kind }: { rows: number; kind: 'row' | 'line' }) {
  const late = useLate();
  return (
    <div className={styles['list']} data-late={late || undefined} role="status" aria-label={t.loading}>
      {Array.from({ length: rows }, (_, index) => (
        <div key={index} className={styles[kind]} />
      ))}
    </div>
  );
}
