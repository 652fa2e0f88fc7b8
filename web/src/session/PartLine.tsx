import { useQuery } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';

import type { Recording } from '@/api/types';
import { t } from '@/messages';

import { onlyPartOf, sessionQuery } from './queries';
import styles from './Session.module.css';

/** Under a recording's name: which part of which session it is, where there are others. */
export function PartLine({ recording }: { recording: Pick<Recording, 'session_id' | 'part_number'> }) {
  const { session_id: id, part_number: number } = recording;
  if (id === null || number === null) return null;
  return <Line id={id} number={number} />;
}

function Line({ id, number }: { id: string; number: number }) {
  const { data: session } = useQuery(sessionQuery(id));
  if (!session || onlyPartOf(session)) return null;
  const highest = Math.max(number, ...session.parts.map((part) => part.part_number));
  return (
    <p className={styles['partLine']}>
      {t.session.partOf(number, highest)}{' '}
      <Link to="/sessions/$id" params={{ id }}>
        <bdi>{session.title ?? session.external_id}</bdi>
      </Link>
    </p>
  );
}
