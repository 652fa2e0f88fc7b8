/** The client as hooks. */
import { useEffect, useRef, useState, useSyncExternalStore } from 'react';

import type { Level, Recorder as RecorderHandle, RecorderOptions, RecorderSnapshot, ReelkeepClient, UnsentRecording } from '../types';

export interface UsedRecorder {
  readonly recorder: RecorderHandle;
  readonly snapshot: RecorderSnapshot;
}

/**
 * A recorder that lives as long as the component. To record across routes, make one above the router and give
 * it to `useRecorderSnapshot`.
 */
export function useRecorder(client: ReelkeepClient, options?: RecorderOptions): UsedRecorder {
  const [recorder] = useState(() => client.createRecorder(options));
  const leaving = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => {
    clearTimeout(leaving.current);
    return () => {
      // Not at once: a component that is mounted again, as in strict mode, goes on with it.
      leaving.current = setTimeout(() => void recorder.dispose(), 0);
    };
  }, [recorder]);
  return { recorder, snapshot: useRecorderSnapshot(recorder) };
}

export function useRecorderSnapshot(recorder: RecorderHandle): RecorderSnapshot {
  return useSyncExternalStore(recorder.subscribe, recorder.getSnapshot, recorder.getSnapshot);
}

/** What this device still holds. */
export function useUnsent(client: ReelkeepClient): readonly UnsentRecording[] {
  return useSyncExternalStore(client.subscribe, client.unsent, client.unsent);
}

/** Calls `paint` about thirty times a second while the microphone is open, outside of React's rendering. */
export function useLevel(recorder: RecorderHandle, paint: (level: Level) => void): void {
  const latest = useRef(paint);
  useEffect(() => {
    latest.current = paint;
  });
  useEffect(() => recorder.onLevel((level) => latest.current(level)), [recorder]);
}
