import { Square } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';

import { t } from '@/messages';

import styles from './Record.module.css';

const HOLD_MS = 600;
const ASK_MS = 5_000;

/** Held, it stops at once; pressed, it asks, so that an elbow ends no recording. */
export function StopButton({ onStop, disabled }: { onStop: () => void; disabled: boolean }) {
  const [asking, setAsking] = useState(false);
  const held = useRef<number | null>(null);
  const done = useRef(false);
  const letGo = () => {
    if (held.current !== null) window.clearTimeout(held.current);
    held.current = null;
  };
  useEffect(() => letGo, []);
  useEffect(() => {
    if (!asking) return undefined;
    const timer = window.setTimeout(() => setAsking(false), ASK_MS);
    return () => window.clearTimeout(timer);
  }, [asking]);
  const stop = () => {
    done.current = true;
    onStop();
  };
  return (
    <button
      type="button"
      className={styles['stop']}
      data-asking={asking || undefined}
      disabled={disabled}
      onPointerDown={() => {
        done.current = false;
        held.current = window.setTimeout(stop, HOLD_MS);
      }}
      onPointerUp={letGo}
      onPointerLeave={letGo}
      onClick={() => {
        if (done.current) return;
        if (asking) stop();
        else setAsking(true);
      }}
    >
      <Square size={20} fill="currentColor" aria-hidden />
      <span aria-live="polite">{asking ? t.record.stopSure : t.record.stop}</span>
    </button>
  );
}
