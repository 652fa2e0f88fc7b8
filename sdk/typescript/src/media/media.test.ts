import { describe, expect, it } from 'vitest';

import { mediaClock } from './clock';
import { opusMilliseconds } from './webm';

type Bytes = readonly number[];
const UNKNOWN_SIZE = [0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
const element = (id: Bytes, body: Bytes): Bytes => [...id, 0x40 | (body.length >> 8), body.length & 0xff, ...body];
const text = (value: string): Bytes => [...new TextEncoder().encode(value)];
/** 20 ms of Opus: config 31, one frame. */
const packet = (milliseconds: number): Bytes => [0x81, milliseconds >> 8, milliseconds & 0xff, 0x80, 0xf8, 1, 2, 3];

function webm(codec: string, clusters: readonly { at: number; blocks: readonly number[] }[]): Uint8Array {
  const track = element([0x16, 0x54, 0xae, 0x6b], element([0xae], element([0x86], text(codec))));
  const bodies = clusters.flatMap(({ at, blocks }) => [
    0x1f, 0x43, 0xb6, 0x75, ...UNKNOWN_SIZE,
    ...element([0xe7], [at >> 8, at & 0xff]),
    ...blocks.flatMap((relative) => element([0xa3], packet(relative))),
  ]);
  return Uint8Array.from([...element([0x1a, 0x45, 0xdf, 0xa3], [1, 2, 3]), 0x18, 0x53, 0x80, 0x67, ...UNKNOWN_SIZE, ...track, ...bodies]);
}

const box = (type: string, body: Bytes): Bytes => [0, 0, (body.length + 8) >> 8, (body.length + 8) & 0xff, ...text(type), ...body];
const word = (value: number): Bytes => [value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255];

function mp4(): Uint8Array {
  const mdhd = box('mdhd', [...word(0), ...word(0), ...word(0), ...word(48_000), ...word(0)]);
  const trex = box('trex', [...word(0), ...word(1), ...word(1), ...word(960), ...word(0), ...word(0)]);
  const moov = box('moov', [...box('trak', box('mdia', mdhd)), ...box('mvex', trex)]);
  const given = box('traf', [...box('tfhd', [...word(0x020000), ...word(1)]), ...box('trun', [...word(0x000301), ...word(2), ...word(0), ...word(960), ...word(7), ...word(1920), ...word(7)])]);
  const byDefault = box('traf', [...box('tfhd', [...word(0x020008), ...word(1), ...word(480)]), ...box('trun', [...word(0x000001), ...word(10), ...word(0)])]);
  const byTrack = box('traf', [...box('tfhd', [...word(0x020000), ...word(1)]), ...box('trun', [...word(0), ...word(3)])]);
  return Uint8Array.from([...box('ftyp', text('isom')), ...moov, ...[given, byDefault, byTrack].flatMap((traf) => [...box('moof', traf), ...box('mdat', [1, 2, 3, 4])])]);
}

function secondsIn(bytes: Uint8Array, mimeType: string, piece: number): number | null {
  const clock = mediaClock(mimeType);
  for (let at = 0; at < bytes.length; at += piece) clock.feed(bytes.subarray(at, at + piece));
  return clock.seconds;
}

describe.each([1, 3, 7, 64, 100_000])('fed %i bytes at a time', (piece) => {
  it('counts Opus packets, not holes between their times', () => {
    const bytes = webm('A_OPUS', [{ at: 0, blocks: [0, 20, 40] }, { at: 9000, blocks: [0, 20] }]);
    expect(secondsIn(bytes, 'audio/webm;codecs=opus', piece)).toBeCloseTo(0.1);
  });
  it('goes by the last time for another codec', () => {
    const bytes = webm('A_PCM/FLOAT/IEEE', [{ at: 2000, blocks: [0, 500] }]);
    expect(secondsIn(bytes, 'audio/webm', piece)).toBeCloseTo(2.5);
  });
  it('adds up the samples of MP4 fragments', () => {
    expect(secondsIn(mp4(), 'audio/mp4', piece)).toBeCloseTo((960 + 1920 + 4800 + 2880) / 48_000);
  });
});

it('says that it does not know, rather than something wrong', () => {
  expect(secondsIn(new Uint8Array(100), 'audio/webm', 100)).toBeNull();
  expect(secondsIn(new Uint8Array([0, 0, 0, 2, 1, 1, 1, 1, 9]), 'audio/mp4', 9)).toBeNull();
  expect(secondsIn(new Uint8Array(100), 'audio/ogg;codecs=opus', 100)).toBeNull();
});

it.each([
  [[0xf8], 20],
  [[0xf9], 40],
  [[0xfb, 0x03], 60],
  [[0xe0], 2.5],
  [[0x18], 60],
  [[0x60], 10],
  [[], 10],
])('an Opus packet that begins with %j sounds %d ms', (bytes, milliseconds) => {
  expect(opusMilliseconds(Uint8Array.from(bytes))).toBe(milliseconds);
});
