import styles from './MiniWave.module.css';

const BARS = 64;
const HEIGHT = 32;

/** The shape of a recording: 64 bars, 0 to 100, as one path. */
export function MiniWave({ bars }: { bars: readonly number[] }) {
  return (
    <svg className={styles['wave']} viewBox={`0 0 ${BARS * 2} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden>
      <path d={path(bars)} />
    </svg>
  );
}

function path(bars: readonly number[]): string {
  return Array.from({ length: BARS }, (_, index) => {
    const height = Math.max(1, ((bars[index] ?? 0) / 100) * HEIGHT);
    return `M${index * 2 + 1} ${((HEIGHT - height) / 2).toFixed(1)}v${height.toFixed(1)}`;
  }).join('');
}
