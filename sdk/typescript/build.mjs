/** Builds `dist`: the client, its React binding and its worker, as modules that need no bundler. */
import { readFile, rm } from 'node:fs/promises';

import { build } from 'esbuild';

/** In the sources the worker is named by its source file, which a bundler follows; built, by its built one. */
const namesBuiltWorker = {
  name: 'names-built-worker',
  setup({ onLoad }) {
    onLoad({ filter: /spawn\.ts$/ }, async ({ path }) => ({
      contents: (await readFile(path, 'utf8')).replace('./worker.ts', './worker.js'),
      loader: 'ts',
    }));
  },
};

await rm('dist', { recursive: true, force: true });
await build({
  entryPoints: { index: 'src/index.ts', react: 'src/react/index.ts', worker: 'src/worker.ts' },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  chunkNames: 'shared-[hash]',
  format: 'esm',
  target: ['chrome111', 'firefox114', 'safari16.4'],
  jsx: 'automatic',
  external: ['react', 'react/jsx-runtime'],
  sourcemap: true,
  plugins: [namesBuiltWorker],
  logLevel: 'warning',
});
