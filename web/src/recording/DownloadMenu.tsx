import { Download } from 'lucide-react';

import { originalUrl } from '@/api/changes';
import { t } from '@/messages';
import { Button } from '@/ui';
import { Menu, toast } from '@/ui/shell';

const FORMATS = [
  ['txt', t.recording.text],
  ['srt', t.recording.srt],
  ['vtt', t.recording.vtt],
] as const;

interface Props {
  id: string;
  transcriptReady: boolean;
  originalReady: boolean;
  /** Nothing but the file as it came can ever be had. */
  encrypted?: boolean;
}

export function DownloadMenu({ id, transcriptReady, originalReady, encrypted = false }: Props) {
  const original = async () => {
    try {
      const { download_url: url } = await originalUrl(id);
      location.assign(url);
    } catch (error) {
      toast.fail(t.recording.downloadFailed, error);
    }
  };
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button leftSection={<Download size={20} strokeWidth={1.75} aria-hidden />}>{t.recording.download}</Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item disabled={!originalReady} onClick={() => void original()}>
          {encrypted ? t.recording.encrypted.original : t.recording.original}
        </Menu.Item>
        {(encrypted ? [] : FORMATS).map(([format, label]) => (
          <Menu.Item
            key={format}
            component="a"
            href={`/api/v1/recordings/${id}/transcript?format=${format}`}
            download
            disabled={!transcriptReady}
          >
            {label}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
