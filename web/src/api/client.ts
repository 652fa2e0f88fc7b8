/** The one way to the API: typed by the OpenAPI document, carrying the sign-in's CSRF token, throwing ApiError. */
import createClient, { type Middleware } from 'openapi-fetch';

import { ApiError, errorOfBody, OFFLINE } from './errors';
import type { paths } from './schema';

let csrfToken: string | null = null;
const onSignedOut = new Set<() => void>();

export function setCsrfToken(token: string | null): void {
  csrfToken = token;
}

/** What a change must carry beside the cookie, for whoever does not come through `api`. */
export const csrfHeader = (): Record<string, string> => (csrfToken === null ? {} : { 'X-CSRF-Token': csrfToken });

/** Called when the server no longer knows who is asking. */
export function whenSignedOut(listener: () => void): () => void {
  onSignedOut.add(listener);
  return () => onSignedOut.delete(listener);
}

export const signedOut = () => onSignedOut.forEach((listener) => listener());

const middleware: Middleware = {
  onRequest({ request }) {
    if (request.method !== 'GET' && csrfToken !== null) request.headers.set('X-CSRF-Token', csrfToken);
    return request;
  },
  async onResponse({ response, schemaPath }) {
    if (response.ok) return undefined;
    const body: unknown = await response.json().catch(() => null);
    const error = errorOfBody(response.status, body);
    if (response.status === 401 && error.code === 'UNAUTHENTICATED' && schemaPath !== '/api/v1/auth/me') {
      signedOut();
    }
    throw error;
  },
  onError({ error }) {
    if (error instanceof DOMException && error.name === 'AbortError') return error;
    return new ApiError('The server cannot be reached. Check the connection, then try again.', OFFLINE, 0);
  },
};

export const api = createClient<paths>({
  baseUrl: '',
  credentials: 'same-origin',
  fetch: (request) => window.fetch(request),
});
api.use(middleware);

/** The body of an answer that must have one. */
export async function bodyOf<T>(answer: Promise<{ data?: T }>): Promise<T> {
  const { data } = await answer;
  if (data === undefined) throw errorOfBody(200, null);
  return data;
}
