import { useEffect } from 'react';

const SIGN = { recording: '● ', paused: '❚❚ ' };

/** The tab says that it records, also while other pages of it are read: that is how it is found among others. */
export function RecordingTitle({ recording }: { recording: boolean }) {
  const sign = recording ? SIGN.recording : SIGN.paused;
  useEffect(() => {
    const put = () => {
      if (!document.title.startsWith(sign)) document.title = sign + plain(document.title);
    };
    put();
    // Every page sets its own title.
    const watch = new MutationObserver(put);
    const title = document.querySelector('title');
    if (title) watch.observe(title, { childList: true });
    return () => {
      watch.disconnect();
      document.title = plain(document.title);
    };
  }, [sign]);
  return null;
}

const plain = (title: string) => Object.values(SIGN).reduce((rest, sign) => rest.replace(sign, ''), title);
