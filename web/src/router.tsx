/** The addresses. All state that matters is in them. */
import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
  useRouter,
  type ErrorComponentProps,
} from '@tanstack/react-router';

import { setCsrfToken } from './api/client';
import { ApiError, OFFLINE } from './api/errors';
import { meQuery } from './api/queries';
import type { RecordingStatus } from './api/types';
import { t } from './messages';
import { queries } from './queries';
import { isRecording } from './record/running';
import { PageTitle, Problem, Wordmark } from './ui';

const text = (value: unknown) =>
  typeof value === 'string' && value !== '' ? value : typeof value === 'number' ? String(value) : undefined;

const STATES: readonly string[] = ['uploading', 'uploaded', 'processing', 'transcribed', 'processed', 'failed'];

/** A page that cannot be fetched is asked for by loading everything anew; never while that would end a recording. */
const page =
  <Module,>(load: () => Promise<Module>) =>
  () =>
    load().catch((error: unknown) => {
      throw isRecording() ? new Error(t.pageNotFetched, { cause: error }) : error;
    });

function PageFailed({ error }: ErrorComponentProps) {
  const router = useRouter();
  const title = error instanceof ApiError && error.code === OFFLINE ? t.noServer : t.unknownError;
  // Asked again by the router: what failed may be what a page needs before it is drawn.
  return (
    <main style={{ display: 'grid', gap: 24, maxWidth: 640, padding: 24 }}>
      <Wordmark />
      <PageTitle name={title} className="visually-hidden" />
      <Problem title={title} error={error} onRetry={() => void router.invalidate()} />
    </main>
  );
}

/** While the server is asked who is here; nothing at all for the first moment. */
function Opening() {
  return (
    <main style={{ padding: 24 }} aria-busy>
      <Wordmark />
      <p role="status" className="muted" style={{ marginTop: 16 }}>
        {t.loading}…
      </p>
    </main>
  );
}

const rootRoute = createRootRoute({ component: Outlet });

const loginRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/login',
  validateSearch: (search: Record<string, unknown>): { next?: string } => {
    const next = text(search['next']);
    // Only addresses of this page: `//elsewhere` and `/\elsewhere` would leave it.
    return next && /^\/(?![/\\])/.test(next) ? { next } : {};
  },
  component: lazyRouteComponent(page(() => import('./signin/LoginPage')), 'LoginPage'),
});

const withToken = (search: Record<string, unknown>): { token?: string } => {
  const token = text(search['token']);
  return token ? { token } : {};
};

const welcomeRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/welcome',
  validateSearch: withToken,
  component: lazyRouteComponent(page(() => import('./signin/LinkPage')), 'LinkPage'),
});

const setPasswordRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/set-password',
  validateSearch: withToken,
  component: lazyRouteComponent(page(() => import('./signin/LinkPage')), 'LinkPage'),
});

const appRoute = createRoute({
  getParentRoute: () => rootRoute,
  id: 'app',
  beforeLoad: async ({ location }) => {
    const me = await queries.query({ ...meQuery, staleTime: 'static' });
    if (!me) throw redirect({ to: '/login', search: { next: location.href } });
    setCsrfToken(me.csrf_token);
  },
  pendingComponent: Opening,
  pendingMs: 300,
  pendingMinMs: 0,
  component: lazyRouteComponent(page(() => import('./shell/Shell')), 'Shell'),
});

const homeRoute = createRoute({
  getParentRoute: () => rootRoute,
  path: '/',
  beforeLoad: () => {
    throw redirect({ to: '/recordings' });
  },
});

export interface LibrarySearch {
  q?: string;
  status?: RecordingStatus;
}

const libraryRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/recordings',
  validateSearch: (search: Record<string, unknown>): LibrarySearch => {
    const q = text(search['q']);
    const status = text(search['status']);
    return {
      ...(q ? { q } : {}),
      ...(status && STATES.includes(status) ? { status: status as RecordingStatus } : {}),
    };
  },
  component: lazyRouteComponent(page(() => import('./library/LibraryPage')), 'LibraryPage'),
});

/** `?t=`: seconds to open at. */
const atTime = (search: Record<string, unknown>): { t?: number } => {
  const at = Number(search['t']);
  return search['t'] !== undefined && at >= 0 && Number.isFinite(at) ? { t: at } : {};
};

const recordingRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/recordings/$id',
  validateSearch: atTime,
  component: lazyRouteComponent(page(() => import('./recording/RecordingPage')), 'RecordingPage'),
});

const readRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/recordings/$id/read',
  component: lazyRouteComponent(page(() => import('./recording/ReadPage')), 'ReadPage'),
});

const recordRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/record',
  component: lazyRouteComponent(page(() => import('./record/RecordPage')), 'RecordPage'),
});

const unsentRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/record/unsent',
  component: lazyRouteComponent(page(() => import('./record/UnsentPage')), 'UnsentPage'),
});

const sessionRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/sessions/$id',
  validateSearch: atTime,
  component: lazyRouteComponent(page(() => import('./session/SessionPage')), 'SessionPage'),
});

const trashRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/trash',
  component: lazyRouteComponent(page(() => import('./trash/TrashPage')), 'TrashPage'),
});

const storageRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/admin/storage',
  component: lazyRouteComponent(page(() => import('./storage/StoragePage')), 'StoragePage'),
});

const settingsRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/admin/settings',
  component: lazyRouteComponent(page(() => import('./settings/SettingsPage')), 'SettingsPage'),
});

const myRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '/me',
  component: lazyRouteComponent(page(() => import('./me/MePage')), 'MePage'),
});

const notFoundRoute = createRoute({
  getParentRoute: () => appRoute,
  path: '$',
  component: lazyRouteComponent(page(() => import('./shell/NotHere')), 'NotHere'),
});

// Every state of every page from fixtures; the production build drops the route and its module.
const galleryRoutes = import.meta.env.DEV
  ? [
      createRoute({
        getParentRoute: () => rootRoute,
        path: '/__states',
        component: lazyRouteComponent(page(() => import('./gallery/States')), 'States'),
      }),
    ]
  : [];

const routeTree = rootRoute.addChildren([
  homeRoute,
  loginRoute,
  welcomeRoute,
  setPasswordRoute,
  appRoute.addChildren([libraryRoute, recordingRoute, readRoute, recordRoute, unsentRoute, sessionRoute, trashRoute, storageRoute, settingsRoute, myRoute, notFoundRoute]),
  ...galleryRoutes,
]);

export const router = createRouter({
  routeTree,
  defaultPreload: 'intent',
  defaultErrorComponent: PageFailed,
  scrollRestoration: true,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
