import type { Recorder } from '@reelkeep/client';
import { useEffect, useRef } from 'react';

import { useColorScheme } from '@/ui';

import { trail } from './device';
import { share } from './LevelMeter';
import styles from './Record.module.css';
import { BARS } from './trail';

/** The last twenty seconds, the newest at the end; still and dimmed while nothing is recorded. */
export function Wave({ recorder, still }: { recorder: Recorder; still: boolean }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const { colorScheme } = useColorScheme();
  useEffect(() => {
    const element = canvas.current;
    if (!element) return undefined;
    let drawn = -1;
    const show = () => {
      drawn = trail.version;
      draw(element, trail.bars());
    };
    const size = new ResizeObserver(show);
    size.observe(element);
    const scheme = window.matchMedia('(prefers-color-scheme: dark)');
    scheme.addEventListener('change', show);
    const off = recorder.onLevel(() => {
      if (trail.version !== drawn) show();
    });
    return () => {
      off();
      size.disconnect();
      scheme.removeEventListener('change', show);
    };
  }, [recorder, colorScheme]);
  return <canvas ref={canvas} className={styles['wave']} data-still={still || undefined} aria-hidden />;
}

function draw(canvas: HTMLCanvasElement, bars: readonly number[]): void {
  const context = canvas.getContext('2d');
  if (!context) return;
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  context.clearRect(0, 0, width, height);
  context.fillStyle = getComputedStyle(canvas).color;
  const step = width / BARS;
  const thick = Math.max(1, step * 0.6);
  for (let slot = 0; slot < BARS; slot += 1) {
    const decibels = bars[slot - (BARS - bars.length)] ?? -100;
    const tall = Math.max(ratio, share(decibels) * height);
    context.fillRect(slot * step, (height - tall) / 2, thick, tall);
  }
}
