import { describe, expect, it } from 'vitest';

import { ASKED_TICKS, DEAD_TICKS, Pulse, RESTARTS_MAX, RESTARTS_WITHIN_MS } from './pulse';

const told = (pulse: Pulse, ticks: number, waiting = true) =>
  Array.from({ length: ticks }, () => pulse.tick(waiting)).flatMap((said, index) => (said === null ? [] : [[index + 1, said]]));

describe('the pulse of the worker', () => {
  it('asks one that is quiet while something is waited for, and then gives it up', () => {
    expect(told(new Pulse(), DEAD_TICKS)).toEqual([[ASKED_TICKS, 'ask'], [DEAD_TICKS, 'dead']]);
  });

  it('is at rest while nothing is waited for, and after every word', () => {
    const pulse = new Pulse();
    expect(told(pulse, 100, false)).toEqual([]);
    told(pulse, DEAD_TICKS - 1);
    pulse.heard();
    expect(told(pulse, ASKED_TICKS - 1)).toEqual([]);
  });

  it('starts it again a few times only within a while', () => {
    const pulse = new Pulse();
    const may = Array.from({ length: RESTARTS_MAX + 1 }, (_, index) => pulse.mayRestart(index * 1000));
    expect(may).toEqual([...Array.from({ length: RESTARTS_MAX }, () => true), false]);
    expect(pulse.mayRestart(RESTARTS_WITHIN_MS)).toBe(true);
  });
});
