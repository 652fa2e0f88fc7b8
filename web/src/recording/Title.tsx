import { useMutation, useQueryClient } from '@tanstack/react-query';
import { Pencil } from 'lucide-react';
import { useRef, useState, type KeyboardEvent } from 'react';

import { renameRecording } from '@/api/changes';
import { recordingChanged } from '@/api/queries';
import type { Recording } from '@/api/types';
import { titleOf } from '@/library/groups';
import { t } from '@/messages';
import { announce, PageTitle } from '@/ui';
import { IconButton, toast } from '@/ui/shell';

import styles from './Recording.module.css';

const LENGTH_MAX = 200;

/** The title, changed in place: Enter or leaving saves, Escape takes back. What was typed survives a failed save. */
export function Title({ recording, mayChange }: { recording: Recording; mayChange: boolean }) {
  const client = useQueryClient();
  const shown = titleOf(recording);
  const [draft, setDraft] = useState<string | null>(null);
  const pencil = useRef<HTMLSpanElement>(null);
  const rename = useMutation({
    mutationFn: (title: string) => renameRecording(recording.id, title || null),
    onSuccess: (changed) => {
      recordingChanged(client, changed);
      setDraft(null);
      announce(t.recording.titleSaved);
    },
    onError: (error) => toast.fail(t.recording.titleFailed, error),
  });

  const back = () => requestAnimationFrame(() => pencil.current?.querySelector('button')?.focus());
  const save = () => {
    if (draft === null || rename.isPending) return;
    const wanted = draft.trim();
    if (wanted === shown || wanted === (recording.title ?? '')) setDraft(null);
    else rename.mutate(wanted);
  };
  const press = (event: KeyboardEvent) => {
    if (event.key === 'Enter') {
      save();
      back();
    } else if (event.key === 'Escape') {
      setDraft(null);
      back();
    }
  };

  return (
    <div className={styles['titleLine']}>
      <PageTitle name={shown} className={draft === null ? (styles['title'] ?? '') : 'visually-hidden'}>
        <bdi>{shown}</bdi>
      </PageTitle>
      {draft !== null && (
        <input
          className={styles['titleInput']}
          aria-label={t.recording.titleLabel}
          maxLength={LENGTH_MAX}
          dir="auto"
          // The person just asked to type here.
          // eslint-disable-next-line jsx-a11y/no-autofocus
          autoFocus
          value={draft}
          onChange={(event) => setDraft(event.currentTarget.value)}
          onKeyDown={press}
          onBlur={save}
        />
      )}
      {mayChange && draft === null && (
        <span ref={pencil}>
          <IconButton icon={Pencil} label={t.recording.rename} onClick={() => setDraft(shown)} />
        </span>
      )}
    </div>
  );
}
