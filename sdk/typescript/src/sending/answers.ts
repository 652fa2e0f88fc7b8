/** What the server's refusals mean for a copy that must not be lost. Pure but for reading the answer. */
import type { Problem } from '../types';

/** An answer that is not a success, or no answer of the server's at all. */
export class Answer extends Error {
  constructor(
    readonly status: number,
    readonly code: string | null,
    message: string,
    readonly retryAfterMs: number | null,
  ) {
    super(message);
  }

  static async of(response: Response): Promise<Answer> {
    const told = await bodyOf(response);
    const message = told.message ?? `The server answered ${response.status}.`;
    return new Answer(response.status, told.code, message, retryAfterOf(response));
  }

  get problem(): Problem {
    return { code: this.code ?? `HTTP_${this.status}`, message: this.message, status: this.status };
  }
}

export type Meaning =
  /** Ask the server what it has, and go on from there. */
  | 'look'
  /** Try again later, for ever. */
  | 'later'
  /** The upload is gone; the bytes are still here: begin it anew. */
  | 'anew'
  /** Something in between will not carry this much at once. */
  | 'smaller'
  /** Its place in the session is taken, perhaps by a beginning whose answer was lost: it comes last. */
  | 'last'
  | 'sign-in'
  /** It will not be had as it is; kept here until somebody acts. */
  | 'refused';

export const UNREACHABLE: Problem = {
  code: 'UNREACHABLE',
  message: 'The server cannot be reached. Kept here; it is tried again by itself.',
  status: null,
};

/** What an answer to a request on an upload that exists means (`look`, `append`). */
export function meaningForUpload(answer: Answer): Meaning {
  const { status, code } = answer;
  if (status === 409) return 'look';
  if (status === 404 || (status === 400 && code === null)) return 'anew';
  // Refused bytes stay refused; an address that ran out, or that nobody explains, does not condemn them.
  if (status === 410) return code === null || code === 'UPLOAD_EXPIRED' || code === 'UPLOAD_NOT_FOUND' ? 'anew' : 'refused';
  if (status === 413 && code === null) return 'smaller';
  // An upload's address asks for no sign-in: 401 and 403 without our code are a proxy's, and pass.
  if (code === null && (status === 401 || status === 403)) return 'later';
  return meaningAnywhere(status);
}

/** What an answer to the request that begins an upload means. */
export function meaningForBeginning(answer: Answer): Meaning {
  const { status, code } = answer;
  if (status === 401 || code === 'CSRF_TOKEN_INVALID') return 'sign-in';
  if (code === 'PART_NUMBER_TAKEN') return 'last';
  return meaningAnywhere(status);
}

function meaningAnywhere(status: number): Meaning {
  if (status < 400 || status >= 500) return 'later';
  return [408, 423, 425, 429].includes(status) ? 'later' : 'refused';
}

async function bodyOf(response: Response): Promise<{ message: string | null; code: string | null }> {
  try {
    const body: unknown = await response.json();
    return { message: textIn(body, 'message'), code: textIn(body, 'error_code') };
  } catch {
    return { message: null, code: null };
  }
}

function textIn(body: unknown, key: string): string | null {
  if (typeof body !== 'object' || body === null) return null;
  const value: unknown = Reflect.get(body, key);
  return typeof value === 'string' ? value : null;
}

function retryAfterOf(response: Response): number | null {
  const text = response.headers.get('Retry-After');
  if (text === null) return null;
  const seconds = Number(text);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const at = Date.parse(text);
  return Number.isNaN(at) ? null : Math.max(0, at - Date.now());
}
