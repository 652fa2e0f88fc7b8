import { useEffect, useSyncExternalStore } from 'react';

import { Player } from './player';

/** One for the page: sound survives going to another page. */
export const player = new Player();

export const usePlayer = () => useSyncExternalStore(player.subscribe, player.snapshot);

/** Runs with the time in seconds, once a frame while it plays and at every seek; never renders. */
export function useTick(listener: (seconds: number) => void): void {
  useEffect(() => {
    listener(player.time);
    return player.onTick(listener);
  }, [listener]);
}
