import { useQuery } from '@tanstack/react-query';
import { Outlet, useMatch } from '@tanstack/react-router';
import { lazy, Suspense, useEffect } from 'react';

import { infoQuery } from '@/api/queries';
import { t } from '@/messages';
import { usePermission } from '@/me/usePermission';
import { uploads } from '@/uploads/use';
import { Toasts } from '@/ui/shell';

import { AudioElement } from './AudioElement';
import { ConnectionBar } from './ConnectionBar';
import { DropTarget } from './DropTarget';
import { MiniPlayer } from './MiniPlayer';
import { BottomBar, Sidebar } from './Navigation';
import styles from './Shell.module.css';
import { SignInOverlay } from './SignInOverlay';
import { UploadDock } from './UploadDock';
import { useUploadNews } from './useUploadNews';

// Apart, so that the first page is drawn before the recorder is fetched.
const OnThisDevice = lazy(() => import('@/record/OnThisDevice').then((part) => ({ default: part.OnThisDevice })));

/** Everything that stays while pages come and go: navigation, the sound, the uploads, the sign-in. */
export function Shell() {
  const mayUpload = usePermission('recordings.write');
  const { data: info } = useQuery(infoQuery);
  const recording = useMatch({ from: '/app/recordings/$id', shouldThrow: false });
  useUploadNews();
  useEffect(() => {
    if (info) uploads.maxFileSize = info.max_file_size;
  }, [info]);
  useEffect(() => uploads.start(), []);

  return (
    <div className={styles['shell']}>
      <a href="#page" className={styles['skip']}>
        {t.skipToContent}
      </a>
      <Sidebar />
      <div className={styles['column']}>
        <ConnectionBar />
        <main id="page" tabIndex={-1} className={styles['page']}>
          <Outlet />
        </main>
        <div className={styles['dock']}>
          {mayUpload && (
            <Suspense>
              <OnThisDevice />
            </Suspense>
          )}
          <UploadDock />
          <MiniPlayer pageOf={recording?.params.id ?? null} />
        </div>
      </div>
      <BottomBar />
      <AudioElement />
      {mayUpload && <DropTarget />}
      <Toasts />
      <SignInOverlay />
    </div>
  );
}
