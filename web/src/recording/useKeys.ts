import { useEffect } from 'react';

import { usePreferences } from '@/preferences';
import { player } from '@/player/use';

import type { SoundOfPage } from './useSound';

interface Actions {
  sound: SoundOfPage;
  onFollow: () => void;
  onHelp: () => void;
  onStep: (direction: 1 | -1) => void;
}

export const TYPING = 'input:not([type=range]), select, textarea, [contenteditable], [role=menu], [role=dialog]';
const PRESSING = 'button, a, summary, [role=menuitem]';

/** Single keys for the player; off where somebody types, and off altogether when Me says so. */
export function useKeys({ sound, onFollow, onHelp, onStep }: Actions): void {
  const { shortcuts } = usePreferences();
  useEffect(() => {
    if (!shortcuts) return undefined;
    const by = (seconds: number) => () => void sound.seek(sound.now() + seconds);
    const actions: Record<string, () => void> = {
      ' ': sound.toggle,
      k: sound.toggle,
      j: by(-10),
      l: by(10),
      ArrowLeft: by(-5),
      ArrowRight: by(5),
      ArrowUp: () => onStep(-1),
      ArrowDown: () => onStep(1),
      ',': () => player.stepRate(-1),
      '.': () => player.stepRate(1),
      f: onFollow,
      '?': onHelp,
    };
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
      const target = event.target instanceof Element ? event.target : null;
      if (target?.closest(TYPING)) return;
      if (event.key === ' ' && target?.closest(PRESSING)) return;
      if (event.key.startsWith('Arrow') && target?.matches('input[type=range]')) return;
      const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, [shortcuts, sound, onFollow, onHelp, onStep]);
}
