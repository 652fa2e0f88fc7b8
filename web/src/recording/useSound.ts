import { useCallback, useEffect, useMemo, useRef } from 'react';

import { player, usePlayer } from '@/player/use';

/** The sound of this page's recording, whether or not it is the one that plays now. */
export interface SoundOfPage {
  /** It is the one in the player. */
  here: boolean;
  playing: boolean;
  now: () => number;
  subscribe: (listener: (seconds: number) => void) => () => void;
  toggle: () => void;
  /** Goes to a time in seconds; `andPlay` starts it there. */
  seek: (seconds: number, andPlay?: boolean) => Promise<void>;
}

interface Options {
  id: string;
  title: string;
  duration: number | null;
  ready: boolean;
  startAt: number | undefined;
}

export function useSound({ id, title, duration, ready, startAt }: Options): SoundOfPage {
  const { sound, playing } = usePlayer();
  const here = sound?.id === id;
  const busyElsewhere = playing && !here;
  const loadedFor = useRef<string | null>(null);
  const playable = ready && duration !== null;
  const load = useCallback((at: number) => player.load({ id, title, duration: duration ?? 0 }, at), [id, title, duration]);

  // Ready to play at one press, unless something else is being listened to.
  useEffect(() => {
    if (!playable || loadedFor.current === id) return;
    loadedFor.current = id;
    if (player.has(id)) {
      if (startAt !== undefined) player.seek(startAt);
    } else if (!busyElsewhere) {
      void load(startAt ?? 0);
    }
  }, [playable, id, startAt, busyElsewhere, load]);

  // A link to another moment of the page that is open already.
  const lastStart = useRef(startAt);
  useEffect(() => {
    if (startAt === lastStart.current) return;
    lastStart.current = startAt;
    if (startAt !== undefined && player.has(id)) player.seek(startAt);
  }, [startAt, id]);

  return useMemo(() => {
    const seek = async (seconds: number, andPlay = false) => {
      if (!playable) return;
      if (player.has(id)) player.seek(seconds);
      else await load(seconds);
      if (andPlay) await player.play();
    };
    return {
      here,
      playing: here && playing,
      now: () => (player.has(id) ? player.time : (startAt ?? 0)),
      subscribe: (listener) => player.onTick((seconds) => player.has(id) && listener(seconds)),
      toggle: () => {
        if (player.has(id)) player.toggle();
        else void seek(startAt ?? 0, true);
      },
      seek,
    };
  }, [here, playing, playable, id, load, startAt]);
}
