import { useQuery, useQueryClient } from '@tanstack/react-query';
import { useEffect, useState } from 'react';

import { setCsrfToken, whenSignedOut } from '@/api/client';
import { keys, meQuery } from '@/api/queries';
import type { Me } from '@/api/types';
import { t } from '@/messages';
import { LoginForm } from '@/signin/LoginForm';
import { Modal } from '@/ui/shell';

/** When a sign-in ends in mid-work, it is renewed above the page, which stays as it is. */
export function SignInOverlay() {
  const client = useQueryClient();
  const [open, setOpen] = useState(false);
  useEffect(() => whenSignedOut(() => setOpen(true)), []);
  const { data: me } = useQuery(meQuery);
  const [known, setKnown] = useState(me);
  // Asked in the background, the server no longer knows who this is.
  if (me && me !== known) setKnown(me);
  if (me === null && !open) setOpen(true);

  const enter = (me: Me) => {
    // Somebody else: what is on this page is not theirs to see.
    if (known && (known.user.id !== me.user.id || known.organization.id !== me.organization.id)) {
      location.assign('/recordings');
      return;
    }
    setCsrfToken(me.csrf_token);
    client.setQueryData(keys.me, me);
    setOpen(false);
    void client.invalidateQueries();
  };

  return (
    <Modal
      opened={open}
      onClose={() => undefined}
      withCloseButton={false}
      closeOnClickOutside={false}
      closeOnEscape={false}
      title={t.signIn.expired}
    >
      <p style={{ marginBottom: 16 }}>{t.signIn.expiredText}</p>
      <LoginForm email={known?.user.email ?? ''} onSignedIn={enter} />
    </Modal>
  );
}
