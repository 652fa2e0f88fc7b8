import { useQuery } from '@tanstack/react-query';
import { getRouteApi, Navigate } from '@tanstack/react-router';

import { ApiError } from '@/api/errors';
import { t } from '@/messages';
import { BackLink } from '@/recording/RecordingView';
import { NotHere } from '@/shell/NotHere';
import { PageTitle, Problem } from '@/ui';
import { Skeleton } from '@/ui/shell';

import { onlyPartOf, sessionQuery } from './queries';
import { SessionBody } from './SessionBody';

const route = getRouteApi('/app/sessions/$id');

export function SessionPage() {
  const { id } = route.useParams();
  const { t: at } = route.useSearch();
  return <SessionView key={id} id={id} at={at} />;
}

export function SessionView({ id, at }: { id: string; at?: number | undefined }) {
  const { data, error, refetch } = useQuery(sessionQuery(id));
  const again = () => void refetch();
  const only = data && onlyPartOf(data);
  if (only) {
    return <Navigate to="/recordings/$id" params={{ id: only.recording_id }} search={at === undefined ? {} : { t: at }} replace />;
  }
  if (data) {
    return (
      <SessionBody session={data} at={at}>
        {error && <Problem small title={t.session.stale} error={error} onRetry={again} />}
      </SessionBody>
    );
  }
  if (error instanceof ApiError && [403, 404, 422].includes(error.status)) return <NotHere />;
  return (
    <>
      <BackLink />
      <PageTitle name={error ? t.session.loadFailed : t.loading} className="visually-hidden" />
      {error ? <Problem title={t.session.loadFailed} error={error} onRetry={again} /> : <Skeleton rows={6} kind="line" />}
    </>
  );
}
