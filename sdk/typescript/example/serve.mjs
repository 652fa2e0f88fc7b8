/** Serves this folder's parent on http://127.0.0.1:5180, where the example is at /example/. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

const root = new URL('..', import.meta.url).pathname;
const types = { '.html': 'text/html', '.js': 'text/javascript', '.map': 'application/json' };

createServer(async (request, response) => {
  const asked = normalize(decodeURIComponent(new URL(request.url, 'http://x').pathname));
  const path = asked.endsWith('/') ? `${asked}index.html` : asked;
  try {
    const body = await readFile(join(root, path));
    response.writeHead(200, { 'Content-Type': types[extname(path)] ?? 'application/octet-stream' }).end(body);
  } catch {
    response.writeHead(404).end('Not here');
  }
}).listen(5180, '127.0.0.1', () => console.log('http://127.0.0.1:5180/example/'));
