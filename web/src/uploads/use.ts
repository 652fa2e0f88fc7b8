import { useSyncExternalStore } from 'react';

import { UploadEngine } from './engine';

/** One for the page: uploads outlive every route. */
export const uploads = new UploadEngine();

export const useUploads = () => useSyncExternalStore(uploads.subscribe, uploads.snapshot);
