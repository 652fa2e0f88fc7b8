import { mkdirSync, renameSync, rmdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

import react from '@vitejs/plugin-react';
import type { Plugin } from 'vite';
import { defineConfig } from 'vitest/config';

const server = process.env['REELKEEP_DEV_SERVER'] ?? 'http://127.0.0.1:8000';

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));
const built = path('../src/reelkeep/http/static');

/** The list of what was built is for `npm run size`, not for the server. */
function manifestAside(): Plugin {
  return {
    name: 'manifest-aside',
    apply: 'build',
    closeBundle() {
      mkdirSync(path('./build'), { recursive: true });
      renameSync(`${built}/.vite/manifest.json`, path('./build/manifest.json'));
      rmdirSync(`${built}/.vite`);
    },
  };
}

export default defineConfig({
  plugins: [react(), manifestAside()],
  resolve: { alias: { '@': path('./src'), '@reelkeep/client': path('../sdk/typescript/src/index.ts') } },
  server: {
    host: '127.0.0.1',
    proxy: { '/api': server, '/s3': server },
  },
  build: {
    outDir: built,
    emptyOutDir: true,
    target: ['chrome111', 'firefox114', 'safari16.4'],
    assetsInlineLimit: 0,
    manifest: true,
    modulePreload: { polyfill: false },
  },
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
});
