import { useEffect } from 'react';

interface Options {
  current: number;
  following: boolean;
  onFollow: (on: boolean) => void;
  mounted: { current: Map<number, HTMLElement> };
  scrollTo: (row: number, smooth: boolean) => void;
}

const EDGE = 0.2;
const SCROLL_KEYS = new Set(['PageUp', 'PageDown', 'Home', 'End']);

/** Keeps the row that is heard in the middle of the window, until the reader scrolls or selects. */
export function useFollow({ current, following, onFollow, mounted, scrollTo }: Options): void {
  useEffect(() => {
    if (!following || current < 0) return;
    const box = mounted.current.get(current)?.getBoundingClientRect();
    const height = window.innerHeight;
    if (box && box.top >= height * EDGE && box.bottom <= height * (1 - EDGE)) return;
    const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
    scrollTo(current, box !== undefined && !calm);
  }, [current, following, mounted, scrollTo]);

  useEffect(() => {
    if (!following) return undefined;
    const stop = () => onFollow(false);
    const onKey = (event: KeyboardEvent) => {
      const inField = event.target instanceof Element && event.target.closest('input, select, textarea') !== null;
      if (SCROLL_KEYS.has(event.key) && !inField) stop();
    };
    const onSelect = () => {
      if (document.getSelection()?.isCollapsed === false) stop();
    };
    const passive = { passive: true };
    window.addEventListener('wheel', stop, passive);
    window.addEventListener('touchmove', stop, passive);
    window.addEventListener('keydown', onKey);
    document.addEventListener('selectionchange', onSelect);
    return () => {
      window.removeEventListener('wheel', stop);
      window.removeEventListener('touchmove', stop);
      window.removeEventListener('keydown', onKey);
      document.removeEventListener('selectionchange', onSelect);
    };
  }, [following, onFollow]);
}
