import { ActionIcon, Tooltip } from '@mantine/core';
import type { LucideIcon } from 'lucide-react';

import styles from './IconButton.module.css';

interface Props {
  icon: LucideIcon;
  /** Its name, shown as a tooltip and said by screen readers. */
  label: string;
  onClick: () => void;
  variant?: 'subtle' | 'filled' | 'default';
  size?: number;
  pressed?: boolean;
  disabled?: boolean;
  /** A small number inside the icon. */
  figure?: number;
  className?: string | undefined;
}

export function IconButton({ icon: Icon, label, onClick, variant = 'subtle', size = 40, pressed, disabled, figure, className }: Props) {
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
        className={[styles['button'], className].filter(Boolean).join(' ')}
      >
        <Icon size={figure === undefined ? 20 : 28} strokeWidth={figure === undefined ? 1.75 : 1.25} aria-hidden />
        {figure !== undefined && (
          <span className={styles['figure']} aria-hidden>
            {figure}
          </span>
        )}
      </ActionIcon>
    </Tooltip>
  );
}
