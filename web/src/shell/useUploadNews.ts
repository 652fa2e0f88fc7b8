import { useQueryClient } from '@tanstack/react-query';
import { useEffect, useRef } from 'react';

import { keys } from '@/api/queries';
import { t } from '@/messages';
import { isBusy, percentSent, type Upload } from '@/uploads/state';
import { uploads, useUploads } from '@/uploads/use';
import { announce } from '@/ui';

/** Tells the lists and the ears what uploads do: their start, each quarter, their failure. */
export function useUploadNews(): void {
  const client = useQueryClient();
  const all = useUploads();
  const heard = useRef(new Map<string, number>());

  useEffect(() => {
    uploads.onFailed = (upload) => {
      announce(t.uploads.announceFailed(upload.name));
      void client.invalidateQueries({ queryKey: keys.lists });
    };
  }, [client]);

  useEffect(() => {
    const begun = all.filter((upload) => isBusy(upload) && !heard.current.has(upload.id));
    if (begun.length > 0) {
      announce(t.uploads.announceStart(begun.length));
      void client.invalidateQueries({ queryKey: keys.lists });
    }
    for (const upload of all.filter(isBusy)) {
      const quarter = quarterOf(upload);
      const before = heard.current.get(upload.id) ?? 0;
      if (quarter > before && quarter < 4) announce(t.uploads.announceQuarter(upload.name, quarter * 25));
      heard.current.set(upload.id, Math.max(before, quarter));
    }
  }, [all, client]);
}

const quarterOf = (upload: Upload) => Math.floor(percentSent(upload) / 25);
