import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from 'react';

import { player, usePlayer } from '@/player/use';
import type { SoundOfPage } from '@/recording/useSound';

import type { SessionPlayback } from './queries';
import { SessionPlayer, type SessionPlayerState } from './sessionPlayer';
import type { Playable } from './timeline';

export interface SessionSound extends SoundOfPage {
  state: SessionPlayerState;
}

/** The sound of the whole session, for as long as its page is open; one sound at a time on the page. */
export function useSessionSound(
  playback: SessionPlayback | undefined,
  renew: () => Promise<SessionPlayback | null>,
  startAt: number | undefined,
): SessionSound {
  const [sessionPlayer] = useState(() => new SessionPlayer(async () => (await renew())?.parts.map(playable) ?? null));
  const state = useSyncExternalStore(sessionPlayer.subscribe, sessionPlayer.snapshot);
  const { playing: otherPlays, rate } = usePlayer();

  useEffect(() => () => sessionPlayer.close(), [sessionPlayer]);
  useEffect(() => sessionPlayer.setRate(rate), [sessionPlayer, rate]);
  useEffect(() => {
    if (playback) sessionPlayer.setParts(playback.parts.map(playable));
  }, [sessionPlayer, playback]);
  useEffect(() => {
    if (startAt !== undefined) sessionPlayer.seek(startAt);
  }, [sessionPlayer, startAt]);
  useEffect(() => {
    if (otherPlays) sessionPlayer.pause();
  }, [sessionPlayer, otherPlays]);

  const hush = useCallback(() => player.pause(), []);
  return useMemo(
    () => ({
      state,
      here: true,
      playing: state.playing,
      now: () => sessionPlayer.time,
      subscribe: sessionPlayer.onTick,
      toggle: () => {
        hush();
        sessionPlayer.toggle();
      },
      seek: (seconds: number, andPlay = false) => {
        sessionPlayer.seek(seconds);
        if (andPlay) {
          hush();
          sessionPlayer.play();
        }
        return Promise.resolve();
      },
    }),
    [state, sessionPlayer, hush],
  );
}

const playable = (part: SessionPlayback['parts'][number]): Playable => ({
  number: part.part_number,
  start: part.start_seconds,
  duration: part.duration_seconds ?? 0,
  url: part.url,
});
