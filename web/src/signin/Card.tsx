import type { ReactNode } from 'react';

import { PageTitle, Wordmark } from '@/ui';

import styles from './SignIn.module.css';

/** One column, for the pages before anybody is signed in. */
export function Card({ title, children }: { title: string; children: ReactNode }) {
  return (
    <main className={styles['page']}>
      <div className={styles['card']}>
        <Wordmark />
        <PageTitle name={title} />
        {children}
      </div>
    </main>
  );
}
