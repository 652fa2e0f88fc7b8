import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';

import { recordingQuery } from '@/api/queries';
import { titleOf } from '@/library/groups';
import { t } from '@/messages';

/** The same file came before: told, and nothing else, since both may be wanted. */
export function SameBytes({ id }: { id: string }) {
  const { data } = useQuery(recordingQuery(id));
  return (
    <p className="muted">
      {t.recording.sameBytes}{' '}
      <Link to="/recordings/$id" params={{ id }}>
        <bdi>{data ? titleOf(data) : t.recording.sameBytesLink}</bdi>
      </Link>
    </p>
  );
}
