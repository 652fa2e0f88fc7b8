/** Which container and codec the recorder is asked for, and what follows from the one it really makes. */

export const WEBKIT_ORDER = ['audio/mp4', 'audio/webm;codecs=opus', 'audio/ogg;codecs=opus', ''];
export const OTHERS_ORDER = ['audio/webm;codecs=opus', 'audio/mp4', 'audio/ogg;codecs=opus', ''];

/**
 * WebKit also claims webm, but its webm has no usable duration; every browser on iOS is WebKit.
 * The empty choice lets the browser decide.
 */
export function chooseMimeType(isSupported: (mimeType: string) => boolean, webkit: boolean): string {
  const order = webkit ? WEBKIT_ORDER : OTHERS_ORDER;
  return order.find((mimeType) => mimeType === '' || isSupported(mimeType)) ?? '';
}

/** Told by the vendor: user agents claim to be each other, and on iOS every browser is Apple's. */
export const isWebKit = (vendor: string) => vendor.startsWith('Apple');

const ENDINGS: Readonly<Record<string, string>> = {
  'audio/webm': 'webm',
  'video/webm': 'webm',
  'audio/mp4': 'm4a',
  'video/mp4': 'mp4',
  'audio/ogg': 'ogg',
};

/** `audio/webm;codecs=opus` is `audio/webm`. */
export const bareType = (mimeType: string) => (mimeType.split(';')[0] ?? '').trim().toLowerCase();

/** A name that sorts by time and has the right ending. */
export function filenameOf(startedAt: number, mimeType: string, part: number | null): string {
  const at = new Date(startedAt);
  const two = (number: number) => String(number).padStart(2, '0');
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  const time = `${two(at.getHours())}-${two(at.getMinutes())}-${two(at.getSeconds())}`;
  const place = part === null ? '' : ` part ${part}`;
  return `Recording ${day} ${time}${place}.${ENDINGS[bareType(mimeType)] ?? 'bin'}`;
}
