import { useEffect, useRef } from 'react';

import { connectMediaSession } from '@/player/mediaSession';
import { player } from '@/player/use';

/** The one media element; it stays mounted whatever page is shown. */
export function AudioElement() {
  const element = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    if (!element.current) return undefined;
    const detach = player.attach(element.current);
    const disconnect = connectMediaSession(player);
    return () => {
      disconnect();
      detach();
    };
  }, []);
  // What is said is on the recording's page as text that follows the sound; a hidden element shows no captions.
  // eslint-disable-next-line jsx-a11y/media-has-caption
  return <audio ref={element} preload="metadata" />;
}
