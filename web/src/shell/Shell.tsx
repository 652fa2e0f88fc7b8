import { useQuery } from '@tanstack/react-query';
import { Outlet, useMatch } from '@tanstack/react-router';
import { useEffect } from 'react';

import { infoQuery } from '@/api/queries';
import { t } from '@/messages';
import { OnThisDevice } from '@/record/OnThisDevice';
import { Recovered } from '@/record/Recovered';
import { useMayRecord } from '@/record/useMayRecord';
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

/** Everything that stays while pages come and go: navigation, the sound, the uploads, the sign-in. */
export function Shell() {
  const mayUpload = useMayRecord();
  const { data: info } = useQuery(infoQuery);
  const recording = useMatch({ from: '/app/recordings/$id', shouldThrow: false });
  useUploadNews();
  useEffect(() => {
    if (info) uploads.maxFileSize = info.max_file_size;
  }, [info]);
  useEffect(() => {
    if (mayUpload) uploads.start();
  }, [mayUpload]);

  return (
    <div className={styles['shell']}>
      <a href="#page" className={styles['skip']}>
        {t.skipToContent}
      </a>
      <Sidebar />
      <div className={styles['column']}>
        <ConnectionBar />
        <main id="page" tabIndex={-1} className={styles['page']}>
          {mayUpload && <Recovered />}
          <Outlet />
        </main>
        <div className={styles['dock']}>
          {mayUpload && <OnThisDevice />}
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
