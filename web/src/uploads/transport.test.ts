import { expect, it } from 'vitest';

import { refusal } from './transport';

it('asks for a new ticket when the old one ran out', () => {
  const expired = '<Error><Code>AccessDenied</Code><Message>Invalid according to Policy: Policy expired.</Message></Error>';
  expect(refusal(403, expired)).toMatchObject({ code: 'AccessDenied', again: true });
});

it('does not send again what the store will never take', () => {
  expect(refusal(400, '<Error><Code>EntityTooLarge</Code></Error>')).toMatchObject({ code: 'EntityTooLarge', again: false });
});

it('tries again when the store stumbles, whatever page a proxy answers', () => {
  expect(refusal(502, '<html>Bad gateway</html>')).toMatchObject({ code: 'HTTP_502', again: true });
});
