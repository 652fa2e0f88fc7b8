/** What went wrong with a request, in the server's one format; made up here only when no answer came. */
export class ApiError extends Error {
  constructor(
    message: string,
    readonly code: string,
    readonly status: number,
    readonly details: Readonly<Record<string, unknown>> = {},
  ) {
    super(message);
    this.name = 'ApiError';
  }

  /** Seconds after which the server asks to be asked again. */
  get retryAfterSeconds(): number | null {
    const value = this.details['retry_after'];
    return typeof value === 'number' && Number.isFinite(value) ? value : null;
  }
}

export const OFFLINE = 'OFFLINE';
export const BAD_ANSWER = 'BAD_ANSWER';

/** Whether waiting and asking again may help. */
export function isTransient(error: unknown): boolean {
  if (!(error instanceof ApiError)) return false;
  return error.status === 0 || error.status === 408 || error.status === 429 || error.status >= 500;
}

/** An answer's body as an error; a proxy's page of HTML is told as what it is. */
export function errorOfBody(status: number, body: unknown): ApiError {
  if (isErrorBody(body)) return new ApiError(body.message, body.error_code, status, body.details ?? {});
  return new ApiError(
    `The server answered ${status} without saying why. Try again; if it stays, tell whoever runs it.`,
    BAD_ANSWER,
    status,
  );
}

interface ErrorBody {
  message: string;
  error_code: string;
  details?: Record<string, unknown>;
}

function isErrorBody(body: unknown): body is ErrorBody {
  return (
    typeof body === 'object' &&
    body !== null &&
    typeof (body as Partial<ErrorBody>).message === 'string' &&
    typeof (body as Partial<ErrorBody>).error_code === 'string'
  );
}
