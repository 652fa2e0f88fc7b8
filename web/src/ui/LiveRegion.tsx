import { useSyncExternalStore } from 'react';

let message = '';
const listeners = new Set<() => void>();

/** Says something to those who do not see it: once, politely. The same words twice are said twice. */
export function announce(text: string): void {
  message = text === message ? `${text}\u00a0` : text;
  listeners.forEach((listener) => listener());
}

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export function LiveRegion() {
  const text = useSyncExternalStore(subscribe, () => message);
  return (
    <div aria-live="polite" className="visually-hidden">
      {text}
    </div>
  );
}
