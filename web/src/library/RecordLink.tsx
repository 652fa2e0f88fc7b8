import { Link } from '@tanstack/react-router';

import { t } from '@/messages';

import styles from './Library.module.css';

/** Beside every way to bring a file in: to speak it now. */
export function RecordLink() {
  return (
    <Link to="/record" className={styles['record']}>
      <span aria-hidden />
      {t.record.start}
    </Link>
  );
}
