/** While something is recorded the connection may go: the pages to go to meanwhile are fetched before. */
export const fetchPages = () =>
  Promise.allSettled([
    import('./UnsentPage'),
    import('@/library/LibraryPage'),
    import('@/recording/RecordingPage'),
    import('@/recording/ReadPage'),
    import('@/session/SessionPage'),
    import('@/trash/TrashPage'),
    import('@/me/MePage'),
    import('@/shell/NotHere'),
  ]);
