/** The words of a session's page. */
const numbers = (list: readonly number[]) => new Intl.ListFormat('en').format(list.map(String));

export const session = {
  name: (title: string) => `Session ${title}`,
  loadFailed: 'The session could not be loaded',
  stale: 'This page may be old',
  empty: 'No recordings in it',
  emptyText: 'Its parts appear here once they are sent; those in the trash are left out.',
  parts: 'Parts',
  partsCount: (n: number) => (n === 1 ? '1 part' : `${n} parts`),
  part: (n: number) => `Part ${n}`,
  partOf: (n: number, highest: number) => `Part ${n} of ${highest} of`,
  playPart: (n: number) => `Play from part ${n}`,
  openPart: (n: number, name: string) => `Open part ${n}, ${name}`,
  open: 'Open',
  missing: (list: readonly number[]) =>
    list.length === 1 ? `Part ${list[0]} is missing` : `Parts ${numbers(list)} are missing`,
  missingText: 'It plays on without what is missing. Times move once it arrives.',
  moving: 'Times may still move: the length of some parts is not known yet.',
  state: {
    uploading: 'Being sent',
    uploaded: 'Waiting its turn',
    processing: 'Being made playable',
    failed: 'Cannot be played',
    soundless: 'Has no sound to play',
  },
  notReady: 'No part can be played yet. The page plays them as they become ready.',
  nowIn: (n: number) => `part ${n}`,
  position: 'Position in the session',
  renewFailed: 'The sound stopped',
  noWords: 'No words yet',
  noWordsText: 'They appear here, part by part, as they are written down.',
  noWordsEver: 'No part of this session has words.',
  partsWithoutWords: (list: readonly number[]) =>
    list.length === 1 ? `Part ${list[0]} has no words (yet).` : `Parts ${numbers(list)} have no words (yet).`,
};
