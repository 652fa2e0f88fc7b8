/** What this device records and still holds: one for the page, above every route. */
import { createClient, type Owner, type Recorder, type ReelkeepClient } from '@reelkeep/client';
import { useSyncExternalStore } from 'react';

import { csrfHeader } from '@/api/client';
import type { Me } from '@/api/types';

import { onLeaving } from './leave';
import { setRecording } from './running';
import { Trail } from './trail';

let client: ReelkeepClient | null = null;
let recorder: Recorder | null = null;

export const ownerOf = (me: Me): Owner => ({
  userId: me.user.id,
  organizationId: me.organization.id,
  userName: me.user.name ?? me.user.email,
  sharedComputer: me.policies.shared_computers,
  secret: me.recorder_secret,
});

/** The first call reads the device's journal and goes on sending. */
export function deviceClient(): ReelkeepClient {
  client ??= forgetful(createClient({ authorize: csrfHeader, owner: null }));
  return client;
}

function forgetful(one: ReelkeepClient): ReelkeepClient {
  onLeaving(() => one.setOwner(null));
  return one;
}

export function deviceRecorder(): Recorder {
  recorder ??= listenedTo(deviceClient().createRecorder());
  return recorder;
}

/** Of the recording that goes on; kept here, so that coming back to its page finds it. */
export const trail = new Trail();

const LIVE = new Set(['recording', 'paused', 'stopping']);

function listenedTo(one: Recorder): Recorder {
  let id: string | null = null;
  one.subscribe(() => setRecording(LIVE.has(one.getSnapshot().state)));
  one.onLevel((level) => {
    const now = one.getSnapshot();
    if (now.state !== 'recording') return trail.rest();
    if (now.id !== id) trail.clear();
    id = now.id;
    trail.hear(level.rms, performance.now());
  });
  return one;
}

/** The recorder, if anything was ever recorded on this page. */
export const currentRecorder = () => recorder;

export const useRecorder = () => {
  const one = deviceRecorder();
  return useSyncExternalStore(one.subscribe, one.getSnapshot);
};

export const useUnsent = () => {
  const one = deviceClient();
  return useSyncExternalStore(one.subscribe, one.unsent);
};
