import { useQuery } from '@tanstack/react-query';
import { Upload } from 'lucide-react';
import { useRef } from 'react';

import { infoQuery } from '@/api/queries';
import { t } from '@/messages';
import { uploads } from '@/uploads/use';
import { Button } from '@/ui';

/** What a file dialog shows first; the server looks at the bytes itself. */
const ENDINGS = '.m4a,.mp3,.wav,.flac,.ogg,.opus,.webm,.mp4,.mov,.mkv,.aac,.amr,.3gp,.wma,.aiff,.caf';

interface Props {
  label?: string;
  variant?: 'filled' | 'default' | 'subtle';
}

export function UploadButton({ label = t.library.upload, variant = 'filled' }: Props) {
  const input = useRef<HTMLInputElement>(null);
  const { data: info } = useQuery(infoQuery);
  const accept = [...(info?.content_types ?? []), 'audio/*', 'video/*', ENDINGS].join(',');
  return (
    <>
      <Button
        variant={variant}
        size="md"
        leftSection={<Upload size={20} strokeWidth={1.75} aria-hidden />}
        onClick={() => input.current?.click()}
      >
        {label}
      </Button>
      <input
        ref={input}
        type="file"
        multiple
        hidden
        accept={accept}
        aria-label={t.library.uploadTitle}
        data-upload
        onChange={(event) => {
          void uploads.add([...(event.currentTarget.files ?? [])]);
          event.currentTarget.value = '';
        }}
      />
    </>
  );
}
