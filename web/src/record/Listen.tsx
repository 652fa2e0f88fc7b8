import { useEffect, useState } from 'react';

import { t } from '@/messages';
import { Button } from '@/ui';

import { deviceClient } from './device';
import styles from './Record.module.css';

/** The sound as it lies here, part after part. */
export function Listen({ id }: { id: string }) {
  const [urls, setUrls] = useState<readonly string[]>([]);
  const [failed, setFailed] = useState(false);
  useEffect(() => () => urls.forEach((url) => URL.revokeObjectURL(url)), [urls]);
  const open = () =>
    deviceClient()
      .openLocal(id)
      .then((parts) => setUrls(parts.filter(({ size }) => size > 0).map((part) => URL.createObjectURL(part))))
      .catch(() => setFailed(true));
  if (failed) return <span role="alert">{t.record.listenFailed}</span>;
  if (urls.length === 0) return <Button onClick={() => void open()}>{t.record.listen}</Button>;
  return (
    <div className={styles['listen']}>
      {urls.map((url, part) => (
        // eslint-disable-next-line jsx-a11y/media-has-caption -- its words are not written down yet
        <audio key={url} src={url} controls aria-label={t.record.listenPart(part + 1, urls.length)} />
      ))}
    </div>
  );
}
