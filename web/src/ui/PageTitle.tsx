import { useEffect, useRef, type ReactNode } from 'react';

import { t } from '@/messages';

export function usePageTitle(name: string): void {
  useEffect(() => {
    document.title = t.pageTitle(name);
  }, [name]);
}

let firstPage = true;

/** The page's `<h1>`. After going to another page focus comes here, so that a screen reader starts at its name. */
export function PageTitle({ name, children, className }: { name: string; children?: ReactNode; className?: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  usePageTitle(name);
  useEffect(() => {
    if (!firstPage) heading.current?.focus({ preventScroll: true });
    firstPage = false;
  }, []);
  return (
    <h1 ref={heading} tabIndex={-1} className={className}>
      {children ?? name}
    </h1>
  );
}
