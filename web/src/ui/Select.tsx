import { NativeSelect } from '@mantine/core';
import { ChevronDown } from 'lucide-react';

interface Props {
  label: string;
  value: string;
  onChange: (value: string) => void;
  data: { value: string; label: string }[];
  size?: 'sm' | 'md';
  className?: string | undefined;
}

/** The browser's own list: best with a thumb and with a screen reader. */
export function Select({ label, value, onChange, data, size = 'sm', className = '' }: Props) {
  return (
    <NativeSelect
      aria-label={label}
      size={size}
      className={className}
      value={value}
      data={data}
      onChange={(event) => onChange(event.currentTarget.value)}
      rightSection={<ChevronDown size={16} strokeWidth={1.75} aria-hidden />}
      rightSectionPointerEvents="none"
      rightSectionWidth={28}
    />
  );
}
