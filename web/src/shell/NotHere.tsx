import { Link } from '@tanstack/react-router';

import { t } from '@/messages';
import { PageTitle } from '@/ui';

/** The same words for what is not there and what is not the reader's. */
export function NotHere() {
  return (
    <div style={{ display: 'grid', gap: 12, maxWidth: 560 }}>
      <PageTitle name={t.recording.notHere} />
      <p>{t.recording.notHereText}</p>
      <p>
        <Link to="/recordings">{t.recording.back}</Link>
      </p>
    </div>
  );
}
