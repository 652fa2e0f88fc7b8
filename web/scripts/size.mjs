// Fails when a route loads more than its budget: KB of gzip -9, counted over Vite's manifest.
import { readdirSync, readFileSync } from 'node:fs';
import { gzipSync } from 'node:zlib';

const root = new URL('../../src/reelkeep/http/static/', import.meta.url);
const manifest = JSON.parse(readFileSync(new URL('../build/manifest.json', import.meta.url), 'utf8'));
const weigh = (file) => gzipSync(readFileSync(new URL(file, root)), { level: 9 }).length / 1024;

function files(entries) {
  const js = new Set();
  const css = new Set();
  const visit = (key) => {
    const chunk = manifest[key];
    if (chunk === undefined) throw new Error(`The build has no chunk ${key}`);
    if (js.has(chunk.file)) return;
    js.add(chunk.file);
    for (const file of chunk.css ?? []) css.add(file);
    for (const next of chunk.imports ?? []) visit(next);
  };
  entries.forEach(visit);
  return { js, css };
}

const sum = (set) => [...set].reduce((total, file) => total + weigh(file), 0);
const shell = ['index.html', 'src/shell/Shell.tsx'];
const login = files(['index.html', 'src/signin/LoginPage.tsx']);
const library = files([...shell, 'src/library/LibraryPage.tsx']);
const recording = files([...shell, 'src/library/LibraryPage.tsx', 'src/recording/RecordingPage.tsx']);
const record = files([...shell, 'src/library/LibraryPage.tsx', 'src/record/RecordPage.tsx']);
const worker = readdirSync(new URL('assets/', root)).filter((file) => /^worker-.*\.js$/.test(file));
if (worker.length !== 1) throw new Error(`The build has ${worker.length} workers`);
const rows = [
  ['/login JS', sum(login.js), 150],
  ['/recordings JS', sum(library.js), 260],
  ['/recordings CSS', sum(library.css), 30],
  ['/recordings/:id adds JS', sum(recording.js) - sum(library.js), 60],
  ['/record adds JS', sum(record.js) - sum(library.js), 25],
  ['the recorder’s worker', weigh(`assets/${worker[0]}`), 18],
];

let over = false;
for (const [name, kilobytes, budget] of rows) {
  const failed = kilobytes > budget;
  over ||= failed;
  console.log(`${failed ? 'OVER' : ' ok '}  ${name.padEnd(26)} ${kilobytes.toFixed(1).padStart(6)} of ${budget} KB gz`);
}
if (over) process.exit(1);
