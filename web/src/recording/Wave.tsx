import { useQuery } from '@tanstack/react-query';
import { useCallback, useEffect, useRef, useState } from 'react';

import { peaksQuery } from '@/api/queries';
import { spokenDuration } from '@/format/time';
import { t } from '@/messages';
import { useColorScheme } from '@/ui';

import styles from './Player.module.css';
import type { SoundOfPage } from './useSound';
import { drawWave, type WaveDrawing } from './waveDrawing';

interface Props {
  id: string;
  duration: number;
  peaksReady: boolean;
  sound: SoundOfPage;
}

/** The waveform under a real slider: what is seen is a drawing, what is used is the slider. */
export function Wave({ id, duration, peaksReady, sound }: Props) {
  const drawing = useRef<WaveDrawing>(null);
  const slider = useRef<HTMLInputElement>(null);
  const [box, setBox] = useState<HTMLDivElement | null>(null);
  const { data: peaks } = useQuery({ ...peaksQuery(id), enabled: peaksReady });
  const { colorScheme } = useColorScheme();

  const show = useCallback(
    (seconds: number) => {
      drawing.current?.setTime(Math.min(seconds, duration));
      showPosition(slider.current, seconds, duration);
    },
    [duration],
  );
  const { subscribe, now } = sound;
  useEffect(() => {
    show(now());
    return subscribe(show);
  }, [subscribe, now, show]);

  useEffect(() => {
    if (!box || !peaks) return undefined;
    const drawn = drawWave(box, { data: peaks.data, duration });
    drawing.current = drawn;
    drawn.setTime(now());
    return () => {
      drawing.current = null;
      drawn.destroy();
    };
    // The colours are read when it is drawn: another theme draws anew.
  }, [box, peaks, duration, now, colorScheme]);

  return (
    <div className={styles['wave']}>
      <div ref={setBox} className={styles['drawing']} aria-hidden />
      <input
        ref={slider}
        type="range"
        className={styles['slider']}
        aria-label={t.player.position}
        min={0}
        max={Math.max(1, Math.floor(duration))}
        step={1}
        defaultValue={0}
        onInput={(event) => void sound.seek(Number(event.currentTarget.value))}
      />
    </div>
  );
}

function showPosition(slider: HTMLInputElement | null, seconds: number, duration: number): void {
  if (!slider) return;
  const value = String(Math.floor(seconds));
  if (slider.value !== value) slider.value = value;
  const text = t.player.positionText(spokenDuration(seconds), spokenDuration(duration));
  if (slider.getAttribute('aria-valuetext') !== text) slider.setAttribute('aria-valuetext', text);
}
