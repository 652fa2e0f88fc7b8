import { describe, expect, it } from 'vitest';

import { MemoryFile, type PartFile, SpillingFile } from './disk';
import { GapFinder } from './gaps';
import { fingerprintOf, newId } from './ids';
import { Watchdog } from './watchdog';

describe('gaps', () => {
  const fed = (looks: readonly [media: number, now: number][]) => {
    const finder = new GapFinder();
    finder.start(0);
    return looks.map(([media, now]) => finder.look(media, now * 1000));
  };
  it('are none while the media keeps up', () => {
    expect(fed([[2, 2.1], [4, 4.2], [6, 6.1]])).toEqual([null, null, null]);
  });
  it('are none when one chunk came late', () => {
    expect(fed([[2, 2], [4, 12], [14, 14]])).toEqual([null, null, null]);
  });
  it('are told once, with their place and length', () => {
    const [, , second, third, fourth] = fed([[2, 2], [4, 124], [6, 126], [8, 128], [10, 130]]);
    expect(second).toEqual({ at: 2, seconds: 120, from: 2000, to: 122_000 });
    expect([third, fourth]).toEqual([null, null]);
  });
  it('are found at the end at once', () => {
    const finder = new GapFinder();
    finder.start(0);
    finder.look(2, 2000);
    expect(finder.look(3, 63_000, true)).toMatchObject({ at: 2, seconds: 60 });
  });
  it('do not count pauses', () => {
    const finder = new GapFinder();
    finder.start(0);
    finder.pause(2000);
    expect(finder.look(2, 2100)).toBeNull();
    finder.start(600_000);
    expect(finder.look(4, 602_000)).toBeNull();
    expect(finder.look(6, 604_000)).toBeNull();
  });
  it('do not count what was there before a recording is gone on with', () => {
    const finder = new GapFinder(100);
    finder.start(0);
    expect([finder.look(102, 2000), finder.look(104, 4000)]).toEqual([null, null]);
  });
});

describe('the watchdog', () => {
  const alarms = (seconds: number, calmAt: readonly number[] = []) => {
    const dog = new Watchdog(0);
    const found: [number, string][] = [];
    for (let second = 1; second <= seconds; second += 1) {
      if (calmAt.includes(second)) dog.calm(second * 1000);
      const alarm = dog.look(second * 1000);
      if (alarm !== null) found.push([second, alarm]);
    }
    return found;
  };
  it('asks after 8 s, restarts after 8 more, and goes on so', () => {
    expect(alarms(33)).toEqual([[8, 'request-data'], [16, 'restart'], [24, 'request-data'], [32, 'restart']]);
  });
  it('is calm while chunks come, and after the asking helped', () => {
    expect(alarms(30, [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28])).toEqual([]);
    expect(alarms(16, [9])).toEqual([[8, 'request-data']]);
  });
  it('asks first after the machine has slept', () => {
    const dog = new Watchdog(0);
    expect(dog.look(3_600_000)).toBe('request-data');
    expect(dog.look(3_601_000)).toBeNull();
    expect(dog.look(3_609_000)).toBe('restart');
  });
});

class FullDisk implements PartFile {
  readonly keptIn = 'disk';
  private readonly file = new MemoryFile();
  constructor(private readonly room: number) {}
  get size() {
    return this.file.size;
  }
  get durable() {
    return this.file.size;
  }
  cut = (size: number) => this.file.cut(size);
  append(bytes: Uint8Array) {
    if (this.size + bytes.length > this.room) return Promise.reject(new DOMException('full', 'QuotaExceededError'));
    return this.file.append(bytes);
  }
  read = (offset: number, length: number) => this.file.read(offset, length);
  blob = (type: string) => this.file.blob(type);
  close = () => Promise.resolve();
}

it('goes on in memory when the disk is full, and reads both as one', async () => {
  const file = new SpillingFile(new FullDisk(5));
  const spills: unknown[] = [];
  file.onSpill = (error) => spills.push(error);
  await file.append(new Uint8Array([1, 2, 3]));
  expect(file.keptIn).toBe('disk');
  await file.append(new Uint8Array([4, 5, 6]));
  await file.append(new Uint8Array([7]));
  expect([file.keptIn, file.size, spills.length]).toEqual(['memory', 7, 1]);
  expect([...(await file.read(0, 10))]).toEqual([1, 2, 3]);
  expect([...(await file.read(3, 10))]).toEqual([4, 5, 6, 7]);
  expect([...(await file.read(4, 1))]).toEqual([5]);
  expect([...new Uint8Array(await (await file.blob('audio/webm')).arrayBuffer())]).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

it('knows the same file again, and another one of its size', async () => {
  const file = (text: string, lastModified = 1) => new File([text], 'visit.wav', { lastModified });
  expect(await fingerprintOf(file('same'))).toBe(await fingerprintOf(file('same')));
  expect(await fingerprintOf(file('same'))).not.toBe(await fingerprintOf(file('diff')));
  expect(await fingerprintOf(file('same'))).not.toBe(await fingerprintOf(file('same', 2)));
  expect(newId()).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/);
});
