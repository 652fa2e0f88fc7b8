/** `@reelkeep/client`: record in the browser, and send to Reelkeep without losing a byte. */
export { createClient } from './client';
export { BITS_PER_SECOND, megabytesPerHour } from './recorder/quality';
export type * from './types';
