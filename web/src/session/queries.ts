/** What a session's page asks for. */
import { queryOptions } from '@tanstack/react-query';

import { api, bodyOf } from '@/api/client';
import type { components } from '@/api/schema';

type Schemas = components['schemas'];
export type Session = Schemas['SessionOut'];
export type SessionPart = Schemas['SessionPartOut'];
export type SessionPlayback = Schemas['SessionPlaybackOut'];
export type SessionTranscript = Schemas['SessionTranscriptOut'];

const BUSY_MS = 2_000;
const QUIET_MS = 30_000;

const path = (id: string) => ({ path: { session_id: id } });
export const isMoving = (session: Session) => session.status === 'uploading' || session.status === 'processing';

export const sessionQuery = (id: string) =>
  queryOptions({
    queryKey: ['session', id],
    queryFn: ({ signal }) => bodyOf(api.GET('/api/v1/sessions/{session_id}', { params: path(id), signal })),
    refetchInterval: ({ state }) => (state.data && isMoving(state.data) ? BUSY_MS : QUIET_MS),
  });

/** Asked anew whenever a part has become playable, and long before the links run out. */
export const playbackQuery = (session: Session) =>
  queryOptions({
    queryKey: ['session-playback', session.id, session.parts.map((part) => [part.recording_id, part.playback_ready, part.start_seconds])],
    queryFn: ({ signal }) =>
      bodyOf(api.GET('/api/v1/sessions/{session_id}/playback', { params: path(session.id), signal })),
    staleTime: 60_000,
    refetchInterval: ({ state }) => (state.data ? (state.data.expires_in * 1000) / 2 : false),
  });

/** Asked anew whenever another part has its words or its place has moved. */
export const sessionTranscriptQuery = (session: Session) =>
  queryOptions({
    queryKey: ['session-transcript', session.id, session.parts.map((part) => [part.recording_id, part.transcript_ready, part.start_seconds])],
    // One path answers in four formats, so that the document cannot type it: json is a SessionTranscriptOut.
    queryFn: ({ signal }): Promise<SessionTranscript> =>
      bodyOf(
        api.GET('/api/v1/sessions/{session_id}/transcript', {
          params: { ...path(session.id), query: { format: 'json' } },
          signal,
        }) as Promise<{ data?: SessionTranscript }>,
      ),
    enabled: session.parts.some((part) => part.transcript_ready),
    staleTime: Infinity,
  });
