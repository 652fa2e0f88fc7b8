import { useSyncExternalStore } from 'react';

import { Uploads } from './uploads';

/** One for the page: uploads outlive every route. */
export const uploads = new Uploads();

export const useUploads = () => useSyncExternalStore(uploads.subscribe, uploads.snapshot);
