// The disks on which is measured: the machine's, and one whose flushes take longer, as those of many clouds.
const kSlow = 3; // ms

// `ms`: what each flush takes longer than the machine's (tests/lib/slow_flush.c); undefined: nothing.
const kFlushes = [
  { ms: undefined, title: 'flush of the machine' },
  { ms: kSlow, title: `each flush ${kSlow} ms longer` },
];
export const flushesFor = (mode) => (mode === 'quick' ? kFlushes.slice(1) : kFlushes);

export const kFlushNotes = [
  `each flush ${kSlow} ms longer: a second PostgreSQL with a library before libc's (LD_PRELOAD, tests/lib/slow_flush.c) that ` +
    'sleeps for that long before each fdatasync(), with which PostgreSQL flushes its WAL',
];
