/** The words of the storage page. */
const figure = (n: number) => n.toLocaleString('en');
const copies = (n: number) => (n === 1 ? '1 copy' : `${figure(n)} copies`);

export const storage = {
  title: 'Storage',
  quota: 'Space',
  used: (used: string) => `${used} used`,
  usedOf: (used: string, quota: string) => `${used} of ${quota} used`,
  noLimit: 'No limit is set.',
  reserved: (size: string) => `${size} more is held for uploads that are open.`,
  countedOnce: 'Each recording and what is made of it counts once here, however many copies are kept.',
  nearlyFull: 'Nearly full. Uploads are refused when nothing is left; ask the operator for a larger quota.',
  full: 'Full. Uploads are refused; ask the operator for a larger quota.',

  stores: 'Stores',
  kept: (size: string, n: number) => `${size} in ${copies(n)}`,
  share: (percent: number) => `${percent} % of what is kept`,
  noClass: 'Its own class',
  classes: (store: string) => `Classes of ${store}`,
  perMonth: (money: string) => `${money} a month`,
  noPrices: 'No prices',

  holdsNothing: 'Holds nothing yet',
  folder: 'Folder on the server',
  bucket: (bucket: string, region: string | null) => (region ? `Bucket ${bucket}, ${region}` : `Bucket ${bucket}`),
  primary: 'Takes new recordings',
  fallback: 'Takes them while the first one is away',
  forgotten: 'Not configured any more: what lies only here cannot be reached. The operator must configure it again.',
  moving: (target: string | null, left: number, paused: boolean) =>
    `${target === null ? 'Being emptied' : `Being moved to ${target}`}${paused ? ', paused' : ''}; ${copies(left)} left`,
  moved: (target: string | null) =>
    target === null ? 'Emptied; what comes late follows' : `Moved to ${target}; what comes late follows`,

  states: 'Copies',
  allThere: 'Every copy is where it should be.',
  neverLooked: 'No copy is known to be missing or damaged; none has been read back yet.',
  notLately: 'No copy is known to be missing or damaged; none has been read back lately.',
  missing: (n: number) => `${copies(n)} missing`,
  damaged: (n: number) => `${copies(n)} damaged`,
  making: (n: number) => `${copies(n)} being made`,
  deleting: (n: number) => `${copies(n)} being removed`,
  more: 'There are more; so many were counted.',
  repair: 'The operator repairs them from other copies:',
  verifiedLast: 'Last read back and found right',
  verifiedOldest: 'Longest without a check',
  never: 'Some have never been checked.',

  cost: 'Cost',
  costText: 'Storing what is there now, by the operator’s own prices. Requests and transfer are not in it.',
  costNone: 'The operator has written down no prices.',
  without: (stores: readonly string[]) =>
    `Without prices, and so not in it: ${new Intl.ListFormat('en').format(stores)}.`,

  emptyTitle: 'Nothing is kept yet',
  emptyText: 'What lies in which store shows here after the first recording is safe.',
  emptyLink: 'Record or upload one',
  failed: 'Storage could not be loaded',
  failedStates: 'The state of copies could not be loaded',
  stale: (when: string) => `As of ${when}; newer figures could not be loaded`,
  doctor: 'On the server, this says what is wrong:',
};
