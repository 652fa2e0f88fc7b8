import { CircleAlert, Info } from 'lucide-react';
import type { ReactNode } from 'react';

import styles from './Record.module.css';

interface Props {
  /** Which side state it tells of. */
  name: string;
  kind: 'bad' | 'warn' | 'told';
  title: string;
  text?: string;
  children?: ReactNode;
}

export function Notice({ name, kind, title, text, children }: Props) {
  const Icon = kind === 'told' ? Info : CircleAlert;
  return (
    <div className={styles['notice']} data-kind={kind} data-notice={name} role={kind === 'bad' ? 'alert' : 'status'}>
      <Icon size={20} strokeWidth={1.75} aria-hidden />
      <div>
        <p className={styles['noticeTitle']}>{title}</p>
        {text && <p>{text}</p>}
        {children && <div className={styles['actions']}>{children}</div>}
      </div>
    </div>
  );
}
