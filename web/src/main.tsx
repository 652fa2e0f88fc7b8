import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';

import { showFace } from './preferences';
import { queries } from './queries';
import { router } from './router';
import { LiveRegion } from './ui';
import { Provider } from './ui/Provider';

const root = document.getElementById('root');
if (!root) throw new Error('index.html has no #root');

showFace();
createRoot(root).render(
  <StrictMode>
    <Provider>
      <QueryClientProvider client={queries}>
        <RouterProvider router={router} />
        <LiveRegion />
      </QueryClientProvider>
    </Provider>
  </StrictMode>,
);
