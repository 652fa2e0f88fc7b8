import { CircleAlert } from 'lucide-react';
import { useState, type ReactNode } from 'react';
import { Button } from '@mantine/core';

import { ApiError, OFFLINE } from '@/api/errors';
import { t } from '@/messages';

import styles from './Problem.module.css';

interface Props {
  title: string;
  error?: unknown;
  /** In place of the error's own sentence. */
  message?: string | null;
  code?: string | null;
  onRetry?: (() => void) | undefined;
  retryLabel?: string;
  small?: boolean;
  /** Whether its details can be copied, for whoever helps. */
  copy?: boolean;
  children?: ReactNode;
}

/** What happened, its code, and what can be done. */
export function Problem({ title, error, message, code, onRetry, retryLabel, small = false, copy = true, children }: Props) {
  const said = message ?? (error instanceof Error ? error.message : null);
  // That nobody answered needs no code: there is nothing to look up.
  const stable = code ?? (error instanceof ApiError && error.code !== OFFLINE ? error.code : null);
  return (
    <div className={styles['problem']} data-small={small || undefined} role="group" aria-label={title}>
      <CircleAlert size={20} strokeWidth={1.75} aria-hidden className={styles['icon']} />
      <div className={styles['body']}>
        <p className={styles['title']}>{title}</p>
        {said && <p dir="auto">{said}</p>}
        {stable && <p className={styles['code']}>{t.errorCode(stable)}</p>}
        <div className={styles['actions']}>
          {onRetry && <Button onClick={onRetry}>{retryLabel ?? t.retry}</Button>}
          {stable && copy && <CopyDetails text={details(title, said, stable, error)} />}
          {children}
        </div>
      </div>
    </div>
  );
}

function CopyDetails({ text }: { text: string }) {
  const [copied, setCopied] = useState(false);
  const copy = () => void navigator.clipboard.writeText(text).then(() => setCopied(true));
  return (
    <Button variant="subtle" onClick={copy}>
      {copied ? t.copied : t.copyDetails}
    </Button>
  );
}

function details(title: string, said: string | null, code: string, error: unknown): string {
  const facts = error instanceof ApiError ? JSON.stringify({ status: error.status, ...error.details }) : '';
  return [title, said, code, facts, location.pathname, new Date().toISOString()].filter(Boolean).join('\n');
}
