import './mantine';
import '@/styles/tokens.css';
import '@/styles/base.css';

import { MantineProvider, localStorageColorSchemeManager } from '@mantine/core';
import { setNonce } from 'get-nonce';
import type { ReactNode } from 'react';

import { styleNonce } from './nonce';
import { resolver, theme } from './theme';

const schemes = localStorageColorSchemeManager({ key: 'reelkeep.theme' });

// The lock on scrolling behind a dialog writes a style of its own.
setNonce(styleNonce());

export function Provider({ children }: { children: ReactNode }) {
  return (
    <MantineProvider
      theme={theme}
      cssVariablesResolver={resolver}
      colorSchemeManager={schemes}
      defaultColorScheme="auto"
      getStyleNonce={styleNonce}
    >
      {children}
    </MantineProvider>
  );
}
