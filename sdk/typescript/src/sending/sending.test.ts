import { describe, expect, it } from 'vitest';

import { Answer, meaningForBeginning, meaningForUpload } from './answers';
import { Gate } from './gate';
import { backOff, Pace, PIECE_BYTES_MIN } from './pace';
import { encodeMetadata } from './tus';

const answer = (status: number, code: string | null = null) => new Answer(status, code, 'words', null);

describe('an answer about an upload', () => {
  it.each([
    [409, 'UPLOAD_OFFSET_MISMATCH', 'look'],
    [404, null, 'anew'],
    [400, null, 'anew'],
    [410, 'UPLOAD_EXPIRED', 'anew'],
    [410, null, 'anew'],
    [410, 'TYPE_MISMATCH', 'refused'],
    [413, 'UPLOAD_TOO_LARGE', 'refused'],
    [413, null, 'smaller'],
    [415, 'UNSUPPORTED_TYPE', 'refused'],
    [423, null, 'later'],
    [429, 'RATE_LIMITED', 'later'],
    [401, null, 'later'],
    [403, null, 'later'],
    [403, 'QUOTA_EXCEEDED', 'refused'],
    [500, null, 'later'],
    [502, null, 'later'],
    [503, 'SEAL_PENDING', 'later'],
    [507, 'STORE_FULL', 'later'],
    [302, null, 'later'],
  ])('%i %s means %s', (status, code, meaning) => expect(meaningForUpload(answer(status, code))).toBe(meaning));
});

describe('an answer to beginning one', () => {
  it.each([
    [401, 'UNAUTHENTICATED', 'sign-in'],
    [403, 'CSRF_TOKEN_INVALID', 'sign-in'],
    [403, 'FORBIDDEN', 'refused'],
    [409, 'PART_NUMBER_TAKEN', 'last'],
    [403, 'QUOTA_EXCEEDED', 'refused'],
    [413, 'UPLOAD_TOO_LARGE', 'refused'],
    [415, 'UNSUPPORTED_TYPE', 'refused'],
    [429, 'UPLOADS_OPEN_MAX', 'later'],
    [503, null, 'later'],
  ])('%i %s means %s', (status, code, meaning) => expect(meaningForBeginning(answer(status, code))).toBe(meaning));
});

it('reads the server’s words and its wait, and does without', async () => {
  const body = JSON.stringify({ message: 'Too large.', error_code: 'UPLOAD_TOO_LARGE' });
  const told = await Answer.of(new Response(body, { status: 413, headers: { 'Retry-After': '7' } }));
  expect([told.problem, told.retryAfterMs]).toEqual([{ code: 'UPLOAD_TOO_LARGE', message: 'Too large.', status: 413 }, 7000]);
  const proxy = await Answer.of(new Response('<html>', { status: 502 }));
  expect(proxy.problem).toEqual({ code: 'HTTP_502', message: 'The server answered 502.', status: 502 });
});

it('sends more at once on a quick line and less on a slow one', () => {
  const pace = new Pace();
  const first = pace.pieceBytes;
  pace.sent(first, 500);
  expect(pace.pieceBytes).toBe(first * 2);
  pace.sent(first * 2, 20_000);
  expect(pace.pieceBytes).toBe(first);
  for (let time = 0; time < 20; time += 1) pace.failed();
  expect(pace.pieceBytes).toBe(PIECE_BYTES_MIN);
  expect(pace.tooLarge()).toBe(false);
});

it('never again exceeds what something in between refused', () => {
  const pace = new Pace();
  expect(pace.tooLarge()).toBe(true);
  const most = pace.pieceBytes;
  for (let time = 0; time < 9; time += 1) pace.sent(pace.pieceBytes, 10);
  expect(pace.pieceBytes).toBe(most);
});

it('waits longer each time, never much more than a minute', () => {
  expect([1, 2, 3, 4, 5, 6, 100].map((failures) => backOff(failures, 0.5))).toEqual([1000, 2000, 5000, 10_000, 30_000, 60_000, 60_000]);
  expect(backOff(1, 0)).toBe(750);
  expect(backOff(1, 1)).toBe(1250);
});

it('lets the longest waiting through first, and never more than there are places', async () => {
  const gate = new Gate(2);
  const order: number[] = [];
  let inside = 0;
  const work = async (rank: number) => {
    inside += 1;
    expect(inside).toBeLessThanOrEqual(2);
    order.push(rank);
    await new Promise((resolve) => setTimeout(resolve, 1));
    inside -= 1;
  };
  await Promise.all([9, 8, 7, 1, 5, 3].map((rank) => gate.pass(rank, () => work(rank))));
  expect(order).toEqual([9, 8, 1, 3, 5, 7]);
});

it('encodes words of every alphabet', () => {
  expect(encodeMetadata({ title: 'Größe 犬', filename: 'a.webm' })).toBe('title R3LDtsOfZSDniqw=,filename YS53ZWJt');
});
