/** Lock screen, headset buttons and media keys. */
import type { Player } from './player';

export function connectMediaSession(player: Player): () => void {
  if (!('mediaSession' in navigator)) return () => undefined;
  const session = navigator.mediaSession;
  const handlers: [MediaSessionAction, MediaSessionActionHandler][] = [
    ['play', () => void player.play()],
    ['pause', () => player.pause()],
    ['seekbackward', ({ seekOffset }) => player.skip(-(seekOffset ?? 10))],
    ['seekforward', ({ seekOffset }) => player.skip(seekOffset ?? 10)],
    ['seekto', ({ seekTime }) => player.seek(seekTime ?? 0)],
  ];
  handlers.forEach(([action, handler]) => session.setActionHandler(action, handler));
  const stop = player.subscribe(() => {
    const { sound, playing } = player.snapshot();
    session.metadata = sound ? new MediaMetadata({ title: sound.title, artist: 'Reelkeep' }) : null;
    session.playbackState = sound ? (playing ? 'playing' : 'paused') : 'none';
  });
  return () => {
    stop();
    handlers.forEach(([action]) => session.setActionHandler(action, null));
  };
}
