import type { Recorder } from '@reelkeep/client';
import { Play } from 'lucide-react';
import { useEffect, useState } from 'react';

import { t } from '@/messages';
import { Button } from '@/ui';

/** "Say something": three seconds that are played back and kept nowhere. */
export function TestSound({ recorder }: { recorder: Recorder }) {
  const [phase, setPhase] = useState<'none' | 'listening' | 'failed'>('none');
  const [url, setUrl] = useState<string | null>(null);
  useEffect(() => () => (url ? URL.revokeObjectURL(url) : undefined), [url]);
  const test = async () => {
    setPhase('listening');
    try {
      const heard = await recorder.test();
      setUrl(URL.createObjectURL(heard));
      setPhase('none');
    } catch {
      setPhase('failed');
    }
  };
  return (
    <>
      <Button
        variant="subtle"
        leftSection={<Play size={20} strokeWidth={1.75} aria-hidden />}
        onClick={() => void test()}
        disabled={phase === 'listening'}
      >
        {phase === 'listening' ? t.record.testing : t.record.test}
      </Button>
      {phase === 'failed' && <span role="alert">{t.record.testFailed}</span>}
      {/* eslint-disable-next-line jsx-a11y/media-has-caption -- three seconds of the person's own voice */}
      {url && <audio src={url} controls autoPlay aria-label={t.record.testHeard} />}
    </>
  );
}
