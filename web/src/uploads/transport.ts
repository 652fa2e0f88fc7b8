/** Sends one file by its ticket, straight to the store. A resumable protocol replaces this file, nothing else. */
import { t } from '@/messages';
import type { Ticket } from '@/api/types';

/** The store did not take the bytes. `again`: the same may work later. */
export class TransportError extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly again: boolean,
  ) {
    super(message);
    this.name = 'TransportError';
  }
}

const STALLED_MS = 60_000;

export function send(
  ticket: Ticket,
  file: File,
  onProgress: (sentBytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    const away = (code: string) => reject(new TransportError(t.uploads.storeUnreachable, code, true));
    // A connection that moves nothing for a minute is gone, whatever the operating system thinks.
    let watch = window.setTimeout(() => request.abort(), STALLED_MS);
    const alive = () => {
      window.clearTimeout(watch);
      watch = window.setTimeout(() => request.abort(), STALLED_MS);
    };
    const stop = () => request.abort();
    signal.addEventListener('abort', stop, { once: true });

    request.upload.onprogress = (event) => {
      alive();
      onProgress(event.loaded);
    };
    request.upload.onload = alive;
    request.onerror = () => away('STORE_UNREACHABLE');
    request.onabort = () => (signal.aborted ? reject(new DOMException('Cancelled', 'AbortError')) : away('STALLED'));
    request.onload = () => (request.status < 300 ? resolve() : reject(refusal(request.status, request.responseText)));
    request.onloadend = () => {
      window.clearTimeout(watch);
      signal.removeEventListener('abort', stop);
    };

    request.open(ticket.upload_method === 'put' ? 'PUT' : 'POST', ticket.upload_url);
    if (ticket.upload_method === 'put') {
      for (const [name, value] of Object.entries(ticket.upload_fields)) request.setRequestHeader(name, value);
      request.send(file);
    } else {
      request.send(form(ticket, file));
    }
  });
}

function form(ticket: Ticket, file: File): FormData {
  const body = new FormData();
  for (const [name, value] of Object.entries(ticket.upload_fields)) body.append(name, value);
  body.append('file', file, file.name);
  return body;
}

/** S3 says why in XML; an expired ticket is worth a new one, a forbidden one is not worth the same again. */
export function refusal(status: number, xml: string): TransportError {
  const code = /<Code>([A-Za-z0-9]+)<\/Code>/.exec(xml)?.[1] ?? null;
  const again = status >= 500 || status === 408 || status === 429 || code === 'RequestTimeout' || /expired/i.test(xml);
  return new TransportError(t.uploads.storeRefused(status, code), code ?? `HTTP_${status}`, again);
}
