import { Search } from 'lucide-react';
import { useEffect, useState } from 'react';

import type { RecordingStatus } from '@/api/types';
import { t } from '@/messages';
import { TextInput } from '@/ui';
import { Select } from '@/ui/shell';

import styles from './Library.module.css';

export interface Filter {
  q?: string;
  status?: RecordingStatus;
}

const TYPING_MS = 250;
const STATES: readonly RecordingStatus[] = ['transcribed', 'processing', 'uploading', 'uploaded', 'processed', 'failed'];

interface Props {
  filter: Filter;
  onFilter: (filter: Filter) => void;
}

export function FilterBar({ filter, onFilter }: Props) {
  const choose = (status: string) => {
    const { q } = filter;
    onFilter({ ...(q ? { q } : {}), ...(status ? { status: status as RecordingStatus } : {}) });
  };
  return (
    <search className={styles['filters']} aria-label={t.library.filters}>
      <SearchField filter={filter} onFilter={onFilter} />
      <Select
        label={t.library.stateLabel}
        size="md"
        value={filter.status ?? ''}
        onChange={choose}
        data={[{ value: '', label: t.library.anyState }, ...STATES.map((value) => ({ value, label: t.status[value] }))]}
      />
    </search>
  );
}

function SearchField({ filter, onFilter }: Props) {
  const [text, setText] = useState(filter.q ?? '');
  const [address, setAddress] = useState(filter.q ?? '');
  // Cleared or changed from elsewhere (back, a removed filter): the field shows the address again.
  if ((filter.q ?? '') !== address) {
    setAddress(filter.q ?? '');
    if ((filter.q ?? '') !== text.trim()) setText(filter.q ?? '');
  }
  useEffect(() => {
    const wanted = text.trim();
    if (wanted === (filter.q ?? '')) return undefined;
    const timer = window.setTimeout(() => {
      const { status } = filter;
      onFilter({ ...(wanted ? { q: wanted } : {}), ...(status ? { status } : {}) });
    }, TYPING_MS);
    return () => window.clearTimeout(timer);
  }, [text, filter, onFilter]);
  return (
    <TextInput
      type="search"
      size="md"
      aria-label={t.library.search}
      placeholder={t.library.search}
      leftSection={<Search size={20} strokeWidth={1.75} aria-hidden />}
      className={styles['search'] ?? ''}
      value={text}
      onChange={(event) => setText(event.currentTarget.value)}
    />
  );
}
