/** Names for what has none: new ids, and a picked file's fingerprint. */

/** A version 4 UUID; `crypto.randomUUID` is missing on pages without https. */
export function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

const FIRST_BYTES = 64 * 1024;

/** The same file chosen again has the same one. */
export async function fingerprintOf(file: File): Promise<string> {
  const first = new Uint8Array(await file.slice(0, FIRST_BYTES).arrayBuffer());
  let hash = 0x811c9dc5;
  for (const byte of first) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  return [file.name, file.size, file.lastModified, hash.toString(16)].join('/');
}
