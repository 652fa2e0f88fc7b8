import type { Recorder, RecorderSnapshot } from '@reelkeep/client';
import { useEffect } from 'react';

import { usePreferences } from '@/preferences';
import { TYPING } from '@/recording/useKeys';

/** M marks, P pauses and goes on. Stopping has no single key. */
export function useRecorderKeys(recorder: Recorder, snapshot: RecorderSnapshot): void {
  const { state } = snapshot;
  const { shortcuts } = usePreferences();
  useEffect(() => {
    if (!shortcuts) return undefined;
    const press = (event: KeyboardEvent) => {
      if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if (event.target instanceof Element && event.target.closest(TYPING)) return;
      const key = event.key.toLowerCase();
      if (key === 'm' && (state === 'recording' || state === 'paused')) recorder.mark();
      else if (key === 'p' && state === 'recording') recorder.pause();
      else if (key === 'p' && state === 'paused') recorder.resume();
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, [recorder, state, shortcuts]);
}
