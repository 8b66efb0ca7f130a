// The exit codes, promised to scripts in spec/exit-codes.md: none changes its meaning.
// Which error gets which is failure.ts's business.

export const EXIT = {
  ok: 0,
  /** Everything that has no code of its own. */
  other: 1,
  /** Arguments, grid file or capability that cannot be used; nothing was sent. */
  usage: 2,
  /** No server has any share of it. */
  notFound: 3,
  /** Some shares are there, fewer than needed. */
  notEnoughShares: 4,
  /** Too few servers took shares for the happiness that was asked for. */
  tooFewServers: 5,
  /** Shares are there, but their hashes are wrong. */
  corrupt: 6,
  /** Of several things asked for, some were done and some not. */
  partial: 7,
  /** SIGHUP: 128 + 1. */
  hangup: 129,
  /** SIGINT: 128 + 2. */
  interrupted: 130,
  /** The reader of standard output went away: 128 + SIGPIPE. */
  outputClosed: 141,
  /** SIGTERM: 128 + 15. */
  terminated: 143,
} as const;
