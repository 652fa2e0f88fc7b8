import { Link } from '@tanstack/react-router';
import { RotateCw, X } from 'lucide-react';
import { useEffect, useRef, useState } from 'react';

import { fileSize } from '@/format/bytes';
import { roughDuration } from '@/format/time';
import { t } from '@/messages';
import { isUnsafe, percentSent, type Upload } from '@/uploads/state';
import { uploads } from '@/uploads/use';
import { Button } from '@/ui';
import { IconButton, Progress } from '@/ui/shell';

import styles from './UploadDock.module.css';
import { useOnline } from './useOnline';

export function UploadRow({ upload }: { upload: Upload }) {
  const { id, name, phase, problem, recordingId } = upload;
  const shownProblem = problem && (phase === 'failed' || phase === 'waiting');
  return (
    <li className={styles['row']} data-phase={phase}>
      <div className={styles['what']}>
        <span className={styles['name']} title={name}>
          <span dir="auto" className="cut">
            {name}
          </span>
        </span>
        <Phase upload={upload} />
        {shownProblem && (
          <span className={styles['problem']}>
            {problem.message} <span className={styles['code']}>{problem.code}</span>
          </span>
        )}
        {(phase === 'sending' || phase === 'sealing') && (
          <Progress value={phase === 'sealing' ? 1 : upload.sent / upload.size} label={name} />
        )}
      </div>
      {phase === 'interrupted' && <ChooseAgain upload={upload} />}
      {phase === 'safe' && recordingId !== null && (
        <Link
          to="/recordings/$id"
          params={{ id: recordingId }}
          className={styles['open']}
          aria-label={t.uploads.openOf(name)}
        >
          {t.uploads.open}
        </Link>
      )}
      {phase === 'failed' && !upload.hopeless && (
        <IconButton icon={RotateCw} label={t.uploads.retryOf(name)} onClick={() => uploads.retry(id)} />
      )}
      {phase === 'safe' ? (
        <IconButton icon={X} label={t.uploads.dismissOf(name)} onClick={() => uploads.dismiss(id)} />
      ) : (
        <IconButton
          icon={X}
          label={isUnsafe(upload) ? t.uploads.cancelOf(name) : t.uploads.dismissOf(name)}
          onClick={() => uploads.cancel(id)}
        />
      )}
    </li>
  );
}

function Phase({ upload }: { upload: Upload }) {
  const { phase, sent, size, speed, retryAt } = upload;
  const online = useOnline();
  const seconds = useSecondsUntil(phase === 'waiting' ? retryAt : 0);
  switch (phase) {
    case 'waiting':
      if (!online) return <span className={styles['phase']}>{t.uploads.waitingOffline}</span>;
      return <span className={styles['phase']}>{seconds > 0 ? t.uploads.waitingRetry(seconds) : t.uploads.waiting}</span>;
    case 'sending':
      return (
        <span className={styles['phase']}>
          {t.uploads.sending(fileSize(sent), fileSize(size))}
          {speed !== null && speed > 0 && ` · ${t.uploads.speed(fileSize(speed), roughDuration((size - sent) / speed))}`}
        </span>
      );
    case 'sealing':
      return <span className={styles['phase']}>{t.uploads.sealing}</span>;
    case 'safe':
      return (
        <span className={styles['phase']} data-kind="safe">
          {t.uploads.safe}
        </span>
      );
    case 'failed':
      return (
        <span className={styles['phase']} data-kind="needy">
          {t.uploads.failed}
        </span>
      );
    case 'interrupted':
      return <span className={styles['phase']}>{t.uploads.interrupted(upload.name, percentSent(upload))}</span>;
  }
}

function useSecondsUntil(when: number): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    if (when <= Date.now()) return undefined;
    const timer = window.setInterval(() => setNow(Date.now()), 1000);
    return () => window.clearInterval(timer);
  }, [when]);
  return Math.max(0, Math.ceil((when - now) / 1000));
}

function ChooseAgain({ upload }: { upload: Upload }) {
  const input = useRef<HTMLInputElement>(null);
  const [wrong, setWrong] = useState(false);
  const choose = async (file: File | undefined) => setWrong(file !== undefined && !(await uploads.resume(upload, file)));
  return (
    <>
      {wrong && (
        <span className={styles['problem']} role="alert">
          {t.uploads.wrongFile}
        </span>
      )}
      <Button onClick={() => input.current?.click()}>{t.uploads.chooseAgain}</Button>
      <input
        ref={input}
        type="file"
        hidden
        aria-label={t.uploads.interrupted(upload.name, percentSent(upload))}
        onChange={(event) => {
          void choose(event.currentTarget.files?.[0]);
          event.currentTarget.value = '';
        }}
      />
    </>
  );
}
