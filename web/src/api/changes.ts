/** Every change the page asks for. */
import { api, bodyOf } from './client';
import type { Policies, Step } from './types';

const at = (id: string) => ({ params: { path: { recording_id: id } } });

export const renameRecording = (id: string, title: string | null) =>
  bodyOf(api.PATCH('/api/v1/recordings/{recording_id}', { ...at(id), body: { title } }));

export const restoreRecording = (id: string) =>
  bodyOf(api.POST('/api/v1/recordings/{recording_id}/restore', at(id)));

/** Ask for what of it lies in an archive alone; that takes hours. */
export const askForMedia = (id: string) =>
  bodyOf(api.POST('/api/v1/recordings/{recording_id}/restore-media', at(id)));

export async function trashRecording(id: string): Promise<void> {
  await api.DELETE('/api/v1/recordings/{recording_id}', at(id));
}

export const rerunStep = (id: string, step: Step['kind']) =>
  bodyOf(
    api.POST('/api/v1/recordings/{recording_id}/steps/{step}/rerun', {
      params: { path: { recording_id: id, step } },
      body: {},
    }),
  );

/** Of a copy that is there: a download that fails would take the whole page to a store's error. */
export const originalUrl = (id: string) =>
  bodyOf(
    api.GET('/api/v1/recordings/{recording_id}/download-url', {
      params: { path: { recording_id: id }, query: { check: true } },
    }),
  );

export const playbackUrl = (id: string, query: { via?: 'reelkeep'; check?: boolean } = {}) =>
  bodyOf(api.GET('/api/v1/recordings/{recording_id}/playback-url', { params: { path: { recording_id: id }, query } }));

/** A dry run: it changes nothing, and walks over much, so that it is asked for by a press alone. */
export const previewMove = ({ source, target }: { source: string; target: string | null }) =>
  bodyOf(
    api.GET('/api/v1/storage/moves/preview', { params: { query: { source, ...(target === null ? {} : { target }) } } }),
  );

export const setPolicies = (body: Partial<Policies>) => bodyOf(api.PATCH('/api/v1/organization/policies', { body }));

export const signIn = (email: string, password: string) =>
  bodyOf(api.POST('/api/v1/auth/sign-in', { body: { email, password } }));

export async function signOut(): Promise<void> {
  await api.POST('/api/v1/auth/sign-out');
}

export const openLink = (token: string) => bodyOf(api.POST('/api/v1/auth/link', { body: { token } }));

export interface FirstAdministrator {
  token: string;
  organization_name: string;
  name: string | null;
  email: string;
  password: string;
}

export const welcome = (body: FirstAdministrator) => bodyOf(api.POST('/api/v1/auth/welcome', { body }));

export const setPassword = (token: string, password: string) =>
  bodyOf(api.POST('/api/v1/auth/set-password', { body: { token, password } }));
