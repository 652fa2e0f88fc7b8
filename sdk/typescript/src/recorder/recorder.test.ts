import { describe, expect, it } from 'vitest';

import { another, constraintsFor, microphonesFrom, refusalOf } from './devices';
import { chooseMimeType, filenameOf, isWebKit } from './formats';
import { Ears, measure } from './levels';

describe('the format', () => {
  const all = () => true;
  it('is mp4 first on WebKit, which claims a webm that does not play', () => {
    expect(chooseMimeType(all, isWebKit('Apple Computer, Inc.'))).toBe('audio/mp4');
  });
  it('is webm first elsewhere, then what there is', () => {
    expect(chooseMimeType(all, isWebKit('Google Inc.'))).toBe('audio/webm;codecs=opus');
    expect(chooseMimeType((type) => type === 'audio/mp4', isWebKit(''))).toBe('audio/mp4');
    expect(chooseMimeType((type) => type.startsWith('audio/ogg'), false)).toBe('audio/ogg;codecs=opus');
    expect(chooseMimeType(() => false, false)).toBe('');
  });
  it('gives the file its ending, and parts their number', () => {
    const at = new Date(2026, 10, 20, 9, 12, 5).getTime();
    expect(filenameOf(at, 'audio/webm;codecs=opus', null)).toBe('Recording 2026-11-20 09-12-05.webm');
    expect(filenameOf(at, 'audio/mp4', 2)).toBe('Recording 2026-11-20 09-12-05 part 2.m4a');
  });
});

describe('what is heard', () => {
  const listen = (seconds: number, rms: number, peak = rms, ears = new Ears(), from = 0) => {
    for (let at = from; at <= from + seconds * 1000; at += 33) ears.hear({ rms, peak }, at);
    return ears;
  };
  it('is good, quiet after 4 s, nothing after 8 s', () => {
    expect(listen(10, -20).hearing).toBe('good');
    expect(listen(3.9, -50).hearing).toBe('good');
    expect(listen(4.1, -50).hearing).toBe('quiet');
    expect(listen(7.9, -70).hearing).toBe('quiet');
    expect(listen(8.1, -70).hearing).toBe('nothing');
  });
  it('is too loud after five clips within three seconds, and not after one long one', () => {
    expect(listen(5, -3, 0).hearing).toBe('good');
    const ears = new Ears();
    for (let clip = 0; clip < 10; clip += 1) ears.hear({ rms: -6, peak: clip % 2 ? -10 : -0.5 }, clip * 100);
    expect(ears.hearing).toBe('too-loud');
    expect(listen(4, -6, -6, ears, 1000).hearing).toBe('good');
  });
  it('holds the peak for a while', () => {
    const ears = new Ears();
    ears.hear({ rms: -10, peak: -2 }, 0);
    expect(ears.hear({ rms: -40, peak: -40 }, 500).peak).toBeCloseTo(-11);
    expect(ears.hear({ rms: -40, peak: -40 }, 5000).peak).toBe(-40);
  });
  it('measures a full sine as −3 dBFS', () => {
    const sine = Float32Array.from({ length: 4800 }, (_, at) => Math.sin((at / 48) * 2 * Math.PI));
    expect(measure(sine).rms).toBeCloseTo(-3.01, 1);
    expect(measure(sine).peak).toBeCloseTo(0, 1);
    expect(measure(new Float32Array(10)).rms).toBe(-100);
  });
});

describe('microphones', () => {
  const device = (deviceId: string, label: string, kind = 'audioinput') => ({ deviceId, label, kind });
  const desk = device('d', 'Desk');
  const ear = device('e', 'Ear');
  it('folds the browser’s own defaults into one', () => {
    const list = microphonesFrom([device('default', 'Default - Desk'), device('communications', 'Desk'), desk, device('s', 'Speaker', 'audiooutput')], null, null);
    expect(list.map(({ deviceId, isDefault }) => [deviceId, isDefault])).toEqual([['', true], ['d', false]]);
    expect(list[0]?.chosen).toBe(true);
  });
  it('finds a chosen one again by its name when its id has changed', () => {
    const list = microphonesFrom([desk, ear], { deviceId: 'old', label: 'Ear' }, { deviceId: 'd', label: 'Desk' });
    expect(list.map(({ chosen }) => chosen)).toEqual([false, false, true]);
    expect(list.map(({ active }) => active)).toEqual([false, true, false]);
  });
  it('has only a default before permission, and none without a device', () => {
    expect(microphonesFrom([device('', '')], null, null)).toHaveLength(1);
    expect(microphonesFrom([], null, null)).toEqual([]);
  });
  it('finds another one than the one that fell silent', () => {
    const list = microphonesFrom([desk, ear], null, null);
    expect(another(list, desk)?.deviceId).toBe('e');
    expect(another(microphonesFrom([desk], null, null), desk)).toBeUndefined();
  });
  it('asks for the chosen one, in mono, and unprocessed', () => {
    expect(constraintsFor({ deviceId: 'd', label: 'Desk' }, false)).toMatchObject({
      audio: { deviceId: { exact: 'd' }, channelCount: { ideal: 1 }, echoCancellation: false, autoGainControl: false },
    });
    expect(constraintsFor(null, true).audio).not.toHaveProperty('deviceId');
  });
  it.each([
    ['NotAllowedError', 'Permission denied by system', { kind: 'denied', where: 'system' }],
    ['NotAllowedError', 'Permission denied', { kind: 'denied', where: 'browser' }],
    ['NotFoundError', '', { kind: 'no-device' }],
  ])('understands %s: %s', (name, message, refusal) => {
    expect(refusalOf(Object.assign(new Error(message), { name }))).toEqual(refusal);
  });
});
