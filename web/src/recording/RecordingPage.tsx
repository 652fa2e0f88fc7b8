import { getRouteApi } from '@tanstack/react-router';

import { RecordingView } from './RecordingView';

const route = getRouteApi('/app/recordings/$id');

export function RecordingPage() {
  const { id } = route.useParams();
  const { t: at } = route.useSearch();
  return <RecordingView key={id} id={id} at={at} />;
}
