import { expect, it } from 'vitest';

import { shouldRenew } from './link';

const link = { url: 'u', takenAt: 0, expiresAt: 3_600_000 };

it('renews a link with less than a fifth of its life left', () => {
  expect(shouldRenew(link, 2_800_000, null)).toBe(false);
  expect(shouldRenew(link, 2_900_000, null)).toBe(true);
});

it('renews after a pause of more than five minutes', () => {
  expect(shouldRenew(link, 400_000, 200_000)).toBe(false);
  expect(shouldRenew(link, 600_000, 200_000)).toBe(true);
});
