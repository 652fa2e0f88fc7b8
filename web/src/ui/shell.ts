/** Parts that only signed-in pages need; apart, so that signing in stays light. */
import './mantineShell';

export { Menu, Modal, SegmentedControl, Switch, Tooltip } from '@mantine/core';
export { IconButton } from './IconButton';
export { MiniWave } from './MiniWave';
export { Progress } from './Progress';
export { Select } from './Select';
export { Skeleton, useLate } from './Skeleton';
export { toast, Toasts } from './Toasts';
