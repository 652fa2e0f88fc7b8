import { ActionIcon, Tooltip } from '@mantine/core';
import type { LucideIcon } from 'lucide-react';

interface Props {
  icon: LucideIcon;
  /** Its name, shown as a tooltip and said by screen readers. */
  label: string;
  onClick: () => void;
  variant?: 'subtle' | 'filled' | 'default';
  size?: number;
  pressed?: boolean;
  disabled?: boolean;
  className?: string | undefined;
}

export function IconButton({ icon: Icon, label, onClick, variant = 'subtle', size = 40, pressed, disabled, className }: Props) {
  return (
    <Tooltip label={label}>
      <ActionIcon
        aria-label={label}
        aria-pressed={pressed}
        variant={variant}
        size={size}
        radius={variant === 'filled' ? '50%' : 6}
        onClick={onClick}
        disabled={disabled ?? false}
        className={className}
      >
        <Icon size={20} strokeWidth={1.75} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}
