/** The client's side of tus 1.0 (https://tus.io/protocols/resumable-upload): create, look, append, end. */
import { Answer } from './answers';

const VERSION = { 'Tus-Resumable': '1.0.0' };
const PATCH_TYPE = 'application/offset+octet-stream';
/** A request that moves nothing for this long is given up and begun again from what the server has. */
const QUIET_TIMEOUT_MS = 60_000;
/** Slower than this is as good as stopped. */
const BYTES_PER_SECOND_MIN = 2048;

interface Init extends RequestInit {
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Begun {
  readonly url: string;
  readonly recordingId: string | null;
}

export interface Begin {
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Null: not known yet, as of a recording that goes on. */
  readonly length: number | null;
  readonly metadata: Readonly<Record<string, string>>;
}

export async function begin({ endpoint, headers, length, metadata }: Begin, signal: AbortSignal): Promise<Begun> {
  const size: Record<string, string> =
    length === null ? { 'Upload-Defer-Length': '1' } : { 'Upload-Length': String(length) };
  const response = await request(endpoint, signal, 0, {
    method: 'POST',
    headers: { ...headers, ...size, 'Upload-Metadata': encodeMetadata(metadata) },
    // The page's own sign-in counts; another origin is asked with a bearer.
    credentials: sameOrigin(endpoint) ? 'same-origin' : 'omit',
  });
  const address = response.headers.get('Location');
  if (address === null) throw new Answer(response.status, 'UNREACHABLE', 'The server gave no address to send to.', null);
  return {
    url: new URL(address, new URL(endpoint, here()?.href)).href,
    recordingId: response.headers.get('Reelkeep-Recording-Id'),
  };
}

export interface Standing {
  readonly offset: number;
  /** Null while not declared. */
  readonly length: number | null;
}

export async function look(url: string, signal: AbortSignal): Promise<Standing> {
  const response = await request(url, signal, 0, { method: 'HEAD' });
  return { offset: offsetOf(response), length: numberOf(response, 'Upload-Length') };
}

/** Append; `length` declares how long the whole is. The server's offset afterwards. */
export async function append(
  url: string,
  offset: number,
  body: Blob | Uint8Array<ArrayBuffer>,
  length: number | null,
  signal: AbortSignal,
): Promise<number> {
  const declared: Record<string, string> = length === null ? {} : { 'Upload-Length': String(length) };
  const response = await request(url, signal, body instanceof Blob ? body.size : body.length, {
    method: 'PATCH',
    headers: { ...declared, 'Upload-Offset': String(offset), 'Content-Type': PATCH_TYPE },
    body,
  });
  return offsetOf(response);
}

/** Running twice is harmless: what is gone already is as wanted. */
export async function end(url: string, signal: AbortSignal): Promise<void> {
  try {
    await request(url, signal, 0, { method: 'DELETE' });
  } catch (error) {
    if (!(error instanceof Answer) || (error.status !== 404 && error.status !== 410)) throw error;
  }
}

async function request(url: string, signal: AbortSignal, bytes: number, init: Init): Promise<Response> {
  const patience = QUIET_TIMEOUT_MS + (bytes / BYTES_PER_SECOND_MIN) * 1000;
  const limit = limited(signal, patience);
  try {
    const response = await fetch(url, {
      cache: 'no-store',
      // An upload's address is its own authority.
      credentials: 'omit',
      redirect: 'error',
      ...init,
      headers: { ...VERSION, ...init.headers },
      signal: limit.signal,
    });
    if (!response.ok) throw await Answer.of(response);
    return response;
  } finally {
    limit.over();
  }
}

/** `AbortSignal.any` with a time-out, which the oldest browsers we serve do not have. */
function limited(signal: AbortSignal, milliseconds: number) {
  const controller = new AbortController();
  const stop = () => controller.abort();
  const timer = setTimeout(stop, milliseconds);
  signal.addEventListener('abort', stop);
  if (signal.aborted) stop();
  const over = () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', stop);
  };
  return { signal: controller.signal, over };
}

function offsetOf(response: Response): number {
  const offset = numberOf(response, 'Upload-Offset');
  if (offset === null) {
    const message = 'Something between this device and the server answered in its place.';
    throw new Answer(response.status, 'UNREACHABLE', message, null);
  }
  return offset;
}

function numberOf(response: Response, name: string): number | null {
  const text = response.headers.get(name);
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}

export function encodeMetadata(metadata: Readonly<Record<string, string>>): string {
  return Object.entries(metadata)
    .map(([key, value]) => `${key} ${base64(new TextEncoder().encode(value))}`)
    .join(',');
}

function base64(bytes: Uint8Array): string {
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

function sameOrigin(endpoint: string): boolean {
  const origin = here()?.origin;
  return origin !== undefined && new URL(endpoint, origin).origin === origin;
}

/** Outside of browsers there is no such place. */
const here = () => (globalThis as { location?: Location }).location;
