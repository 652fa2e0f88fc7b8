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
  pauseIt: 'The operator pauses it:',
  resumeIt: 'The operator lets it go on:',
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
  reading: (days: number) => (days === 1 ? 'Every copy is read back once a day.' : `Every copy is read back within ${figure(days)} days.`),
  notReading: 'No copy is read back by itself: REELKEEP_SCRUB_DAYS is 0.',
  foundNone: 'In the last 30 days none was found missing or damaged.',
  found: (n: number, when: string) =>
    `In the last 30 days ${copies(n)} ${n === 1 ? 'was' : 'were'} found missing or damaged, the last one on ${when}.`,
  foundMended: 'All of them are good again, or gone with their recording.',

  backup: {
    title: 'Backups',
    fine: 'The last backup is whole.',
    old: 'The last backup is more than two days old.',
    none: 'There is no backup.',
    running: (when: string) => `One is being made since ${when}.`,
    last: 'Last whole one',
    drilled: 'Last restored as a test, and found good',
    neverDrilled: 'None was ever restored as a test. The operator tries one:',
    make: 'The operator makes one:',
    notScheduled: 'None is made by itself: REELKEEP_BACKUP_EVERY_HOURS is not set.',
    latest: 'The latest',
    states: { running: 'Being made', whole: 'Whole', failed: 'Failed', removed: 'Removed by the rule' } as Readonly<
      Record<string, string>
    >,
    withSound: 'with recordings',
    withoutSound: 'database only',
    missing: (n: number) => (n === 1 ? '1 file missing' : `${figure(n)} files missing`),
    failedToLoad: 'How backups stand could not be loaded',
  },

  move: {
    title: 'What a move would do',
    text: 'Before one store is left for another: what would be copied, removed and paid for your recordings. Nothing is moved by asking.',
    oneStore: 'There is one store. Once the operator configures another, this tells what a move there would cost.',
    from: 'From',
    to: 'To',
    byRules: 'Where the rules want it',
    look: 'Show what it would do',
    looking: 'Looking…',
    failed: 'Such a move cannot be',
    result: 'It would',
    nothing: 'Nothing would be moved: none of your recordings lie there.',
    make: (place: string, n: number, size: string) => `copy ${size} (${copies(n)}) to ${place}`,
    remove: (place: string, n: number, size: string) => `then remove ${size} (${copies(n)}) from ${place}`,
    lost: (n: number) => (n === 1 ? '1 file has no good copy and cannot be moved.' : `${figure(n)} files have no good copy and cannot be moved.`),
    more: 'There is more than is looked at here; the operator’s own dry run looks at everything.',
    costs: (once: string, monthly: string | null, less: boolean) =>
      `It would cost ${once} once${monthly === null ? '' : `, and then ${monthly} ${less ? 'less' : 'more'} a month`}.`,
    noPrices: 'The operator has written down no prices, so its cost is not known.',
    begin: 'It moves the recordings of everybody here, so the operator begins it:',
  },


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
