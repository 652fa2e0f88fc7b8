import { getRouteApi } from '@tanstack/react-router';

import { LibraryView } from './LibraryView';

const route = getRouteApi('/app/recordings');

export function LibraryPage() {
  const filter = route.useSearch();
  const navigate = route.useNavigate();
  return <LibraryView filter={filter} onFilter={(next) => void navigate({ search: next, replace: true })} />;
}
