/** What a person chose on this device. */
import { useSyncExternalStore } from 'react';

export interface Preferences {
  shortcuts: boolean;
  face: 'sans' | 'serif';
}

const KEY = 'reelkeep.preferences';
const listeners = new Set<() => void>();
let preferences = read();

function read(): Preferences {
  try {
    const value = JSON.parse(localStorage.getItem(KEY) ?? '{}') as Partial<Preferences>;
    return { shortcuts: value.shortcuts !== false, face: value.face === 'serif' ? 'serif' : 'sans' };
  } catch {
    return { shortcuts: true, face: 'sans' };
  }
}

export function setPreferences(change: Partial<Preferences>): void {
  preferences = { ...preferences, ...change };
  localStorage.setItem(KEY, JSON.stringify(preferences));
  showFace();
  listeners.forEach((listener) => listener());
}

export function showFace(): void {
  document.documentElement.dataset['face'] = preferences.face;
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export const usePreferences = () => useSyncExternalStore(subscribe, () => preferences);
