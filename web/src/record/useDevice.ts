import type { UnsentRecording } from '@reelkeep/client';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useNavigate, useRouterState } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';

import { api, bodyOf, setCsrfToken, signedOut } from '@/api/client';
import { ApiError } from '@/api/errors';
import { keys, meQuery } from '@/api/queries';
import { t } from '@/messages';
import { usePreferences } from '@/preferences';
import { TYPING } from '@/recording/useKeys';
import { announce } from '@/ui';
import { toast } from '@/ui/shell';

import { currentRecorder, deviceClient, ownerOf, useUnsent } from './device';
import { nameOf } from './phase';

/** What this device holds follows who is signed in, and the lists and the ears follow it. */
export function useDevice(): void {
  const client = useQueryClient();
  const { data: me } = useQuery(meQuery);
  useEffect(() => void deviceClient().setOwner(me ? ownerOf(me) : null), [me]);
  useEffect(
    () =>
      deviceClient().on('safe', (one) => {
        announce(t.record.announceSafe(nameOf(one)));
        void client.invalidateQueries({ queryKey: keys.lists });
      }),
    [client],
  );
  useSignInAgain();
  useCalled();
  useMoved();
  useRecordKey();
}

const ASK_AGAIN_MS = 30_000;

/** While it is recorded its phase says only that. */
const needsSignIn = ({ mine, phase, problem }: UnsentRecording) =>
  mine && (phase === 'needs-sign-in' || (phase === 'recording' && problem?.status === 401));

/** The server would not know who sends: whoever it is signs in above the page, or a newer token is taken. */
function useSignInAgain(): void {
  const client = useQueryClient();
  const refused = useUnsent().some(needsSignIn);
  const asked = useRef(0);
  useEffect(() => {
    if (!refused || Date.now() - asked.current < ASK_AGAIN_MS) return;
    asked.current = Date.now();
    bodyOf(api.GET('/api/v1/auth/me'))
      .then((me) => {
        setCsrfToken(me.csrf_token);
        client.setQueryData(keys.me, me);
      })
      .catch((error: unknown) => {
        if (error instanceof ApiError && error.status === 401) signedOut();
      });
  }, [refused, client]);
}

/** Another tab asked this one, which records, to show itself. */
function useCalled(): void {
  const navigate = useNavigate();
  useEffect(
    () =>
      deviceClient().on('called', () => {
        window.focus();
        void navigate({ to: '/record' });
      }),
    [navigate],
  );
}

/** On the recorder's own page a notice says it. */
function useMoved(): void {
  const here = useRouterState({ select: (state) => state.location.pathname });
  const recorder = currentRecorder();
  useEffect(() => {
    if (here === '/record' || recorder === null) return undefined;
    const look = () => {
      const { moved } = recorder.getSnapshot().sides;
      if (moved === null) return;
      toast.say(t.record.movedTo(moved.to));
      recorder.acknowledge('moved');
    };
    look();
    return recorder.subscribe(look);
  }, [here, recorder]);
}

/** R opens the recorder from anywhere. */
function useRecordKey(): void {
  const navigate = useNavigate();
  const { shortcuts } = usePreferences();
  useEffect(() => {
    if (!shortcuts) return undefined;
    const press = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
      if (event.key.toLowerCase() !== 'r') return;
      if (event.target instanceof Element && event.target.closest(TYPING)) return;
      void navigate({ to: '/record' });
    };
    window.addEventListener('keydown', press);
    return () => window.removeEventListener('keydown', press);
  }, [navigate, shortcuts]);
}
