import './mantine';
import '@/styles/tokens.css';
import '@/styles/base.css';

import { MantineProvider, localStorageColorSchemeManager } from '@mantine/core';
import type { ReactNode } from 'react';

import { styleNonce } from './nonce';
import { resolver, theme } from './theme';

const schemes = localStorageColorSchemeManager({ key: 'reelkeep.theme' });

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
