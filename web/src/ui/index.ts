/** The parts that the pages are made of. Nothing outside this folder names the library behind them. */
export { Button, PasswordInput, TextInput, useMantineColorScheme as useColorScheme } from '@mantine/core';
export { announce, LiveRegion } from './LiveRegion';
export { Problem } from './Problem';
export { usePageTitle, PageTitle } from './PageTitle';
export { Wordmark } from './Wordmark';
