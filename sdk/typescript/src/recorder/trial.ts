/** "Say something": three seconds that are given back and kept nowhere. */
import { Capture } from './capture';
import { mimeType } from './take';

const TEST_MS = 3000;

export async function recordTest(stream: MediaStream, bitsPerSecond: number): Promise<Blob> {
  const chunks: ArrayBuffer[] = [];
  let type = '';
  const capture = new Capture(stream, 0, mimeType(), bitsPerSecond, {
    onChunk: (bytes, made) => {
      chunks.push(bytes);
      type = made;
      return Promise.resolve();
    },
    onError: () => undefined,
  });
  capture.start();
  await new Promise((resolve) => setTimeout(resolve, TEST_MS));
  await capture.stop();
  return new Blob(chunks, { type });
}
