/** The worker, named so that bundlers find it. */
export const spawn = (): Worker =>
  new Worker(new URL('./worker.ts', import.meta.url), { type: 'module', name: 'reelkeep' });
