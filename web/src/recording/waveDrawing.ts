/** Draws a waveform, and nothing else: wavesurfer gets no sound, decodes nothing and takes no input. */
import WaveSurfer from 'wavesurfer.js';

import { styleNonce } from '@/ui/nonce';

export interface WaveDrawing {
  setTime: (seconds: number) => void;
  destroy: () => void;
}

interface Drawn {
  /** Lowest and highest value of each interval in turn, -128 to 127. */
  data: readonly number[];
  duration: number;
}

export function drawWave(container: HTMLElement, { data, duration }: Drawn): WaveDrawing {
  const color = (name: string) => getComputedStyle(container).getPropertyValue(name).trim();
  const wave = WaveSurfer.create({
    container,
    height: 'auto',
    peaks: channels(data),
    duration,
    interact: false,
    normalize: true,
    cursorWidth: 2,
    cursorColor: color('--accent'),
    waveColor: color('--wave'),
    progressColor: color('--accent'),
    barWidth: 2,
    barGap: 1,
    barRadius: 1,
    hideScrollbar: true,
    cspNonce: styleNonce(),
  });
  // It draws its progress when its own silent clock is set.
  let [ready, at] = [false, 0];
  wave.on('ready', () => {
    ready = true;
    wave.setTime(at);
  });
  return {
    setTime: (seconds) => {
      at = seconds;
      if (ready) wave.setTime(seconds);
    },
    destroy: () => wave.destroy(),
  };
}

/** What is above the middle line and what is below it, each 0 to 1. */
export function channels(data: readonly number[]): [Float32Array, Float32Array] {
  const pairs = data.length >> 1;
  const above = new Float32Array(pairs);
  const below = new Float32Array(pairs);
  for (let index = 0; index < pairs; index += 1) {
    below[index] = Math.max(0, -(data[index * 2] ?? 0)) / 128;
    above[index] = Math.max(0, data[index * 2 + 1] ?? 0) / 128;
  }
  return [above, below];
}
