/** The words of what an administrator decides for the organization. */
export const settings = {
  title: 'Settings',
  of: (organization: string) => `They count for everybody in ${organization}.`,
  failed: 'The settings could not be loaded',
  saved: 'Saved',
  notSaved: 'Not saved',
  recording: 'Recording in the browser',
  sharedComputers: 'Our computers are shared',
  sharedComputersHint: 'What is recorded is encrypted on the computer until it is safe on the server.',
  sharedComputersFacts: [
    'Only whoever recorded it can hear, read or send it from there, after signing in. Others see that it waits, and whose it is.',
    'A file that somebody saves from there is an ordinary one, and not encrypted.',
    'Each browser follows with its next recording, at the latest some minutes after this is changed.',
    'What lies on a computer already stays as it is and is sent all the same, whether this is switched on or off.',
    'If a browser’s data are cleared before it is sent, the recording is lost, as it is without encryption.',
  ],
};
