import { X } from 'lucide-react';
import { useEffect, useState, useSyncExternalStore } from 'react';
import { Button } from '@mantine/core';

import { ApiError, OFFLINE } from '@/api/errors';
import { t } from '@/messages';

import { IconButton } from './IconButton';
import { announce } from './LiveRegion';
import styles from './Toasts.module.css';

interface Toast {
  id: number;
  text: string;
  action?: { label: string; run: () => void } | undefined;
  problem: boolean;
}

const SHOWN_MS = 10_000;
let toasts: readonly Toast[] = [];
let lastId = 0;
const listeners = new Set<() => void>();

function set(next: readonly Toast[]): void {
  toasts = next;
  listeners.forEach((listener) => listener());
}

const remove = (id: number) => set(toasts.filter((one) => one.id !== id));

function show(text: string, problem: boolean, action?: Toast['action']): void {
  lastId += 1;
  set([...toasts.slice(-2), { id: lastId, text, action, problem }]);
  announce(text);
}

export const toast = {
  say: (text: string, action?: Toast['action']) => show(text, false, action),
  /** What did not work, with the server's own sentence and code. */
  fail: (text: string, error: unknown) => {
    const code = error instanceof ApiError && error.code !== OFFLINE ? ` (${error.code})` : '';
    const why = error instanceof ApiError ? `: ${error.message}${code}` : '.';
    show(`${text}${why}`, true);
  },
};

const subscribe = (listener: () => void) => {
  listeners.add(listener);
  return () => listeners.delete(listener);
};

export function Toasts() {
  const all = useSyncExternalStore(subscribe, () => toasts);
  return (
    <ol className={styles['toasts']}>
      {all.map((one) => (
        <ToastCard key={one.id} toast={one} />
      ))}
    </ol>
  );
}

function ToastCard({ toast: { id, text, action, problem } }: { toast: Toast }) {
  const [held, setHeld] = useState(false);
  useEffect(() => {
    if (held) return undefined;
    const timer = window.setTimeout(() => remove(id), SHOWN_MS);
    return () => window.clearTimeout(timer);
  }, [held, id]);
  const act = () => {
    remove(id);
    action?.run();
  };
  return (
    // Being looked at keeps it; its buttons are what is pressed.
    // eslint-disable-next-line jsx-a11y/no-noninteractive-element-interactions
    <li
      className={styles['toast']}
      data-problem={problem || undefined}
      onMouseEnter={() => setHeld(true)}
      onMouseLeave={() => setHeld(false)}
      onFocus={() => setHeld(true)}
      onBlur={() => setHeld(false)}
    >
      <span dir="auto">{text}</span>
      {action && (
        <Button variant="subtle" onClick={act}>
          {action.label}
        </Button>
      )}
      <IconButton icon={X} label={t.dismiss} onClick={() => remove(id)} size={32} />
    </li>
  );
}
