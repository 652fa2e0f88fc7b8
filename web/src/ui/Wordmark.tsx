import { t } from '@/messages';

import styles from './Wordmark.module.css';

const BARS = [6, 16, 10, 4];

export function Wordmark() {
  return (
    <span className={styles['wordmark']}>
      <svg width="26" height="26" viewBox="0 0 26 26" aria-hidden>
        <rect width="26" height="26" rx="6" className={styles['tile']} />
        {BARS.map((height, index) => (
          <rect key={index} x={4.5 + index * 4.75} y={13 - height / 2} width="2.5" height={height} rx="1.25" className={styles['bar']} />
        ))}
      </svg>
      {t.app}
    </span>
  );
}
