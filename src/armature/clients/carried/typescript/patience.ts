/**
 * When to try again, and for how long: full jitter between bounds that double, a budget over all calls, one deadline.
 *
 * The jitter is that of Brooker, "Exponential Backoff And Jitter" (2015); the budget that of Finagle: each call earns a part of
 * a repeat, so that repeats add a few per cent to the load of a server in trouble and not a multiple of it.
 */

import type { Settled } from "./calls.js";

/** How many repeats are still to be had, over all calls of a client. */
export class Budget {
  private left: number;

  constructor(private readonly options: Settled) {
    this.left = options.budgetSpare;
  }

  /** A call was made. */
  earn(): void {
    this.left = Math.min(this.options.budgetSpare, this.left + this.options.budget);
  }

  /** Take a repeat; false when none is left. */
  spend(): boolean {
    if (this.left < 1) return false;
    this.left -= 1;
    return true;
  }
}

/** Pauses of one caller; each is random up to a bound that doubles, after what the server asked to wait. */
export class Pause {
  count = 0;

  constructor(private readonly options: Settled) {}

  /** Return the seconds to wait now. */
  next(askedSeconds: number | null): number {
    const bound = Math.min(this.options.pauseSecondsMax, this.options.pauseSeconds * 2 ** this.count);
    this.count += 1;
    return (askedSeconds ?? 0) + Math.random() * bound;
  }

  /** Begin anew: something went well. */
  again(): void {
    this.count = 0;
  }
}

/** The attempts of one call. */
export class Patience {
  private readonly until: number;
  private attemptsLeft: number;
  private readonly pause: Pause;

  constructor(
    options: Settled,
    private readonly budget: Budget,
    seconds: number | undefined,
  ) {
    this.until = performance.now() + (seconds ?? options.deadlineSeconds) * 1000;
    this.attemptsLeft = options.attemptsMax - 1;
    this.pause = new Pause(options);
    budget.earn();
  }

  /** The milliseconds until the deadline. */
  get left(): number {
    return this.until - performance.now();
  }

  /** Return the seconds to wait before a repeat, null when there is to be none. */
  wait(askedSeconds: number | null): number | null {
    const seconds = this.pause.next(askedSeconds);
    if (this.attemptsLeft <= 0 || seconds * 1000 >= this.left || !this.budget.spend()) return null;
    this.attemptsLeft -= 1;
    return seconds;
  }
}

/** Wait; an aborted signal ends it with the signal's reason. */
export function sleep(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((done, failed) => {
    const end = (): void => {
      clearTimeout(timer);
      failed(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", end);
      done();
    }, seconds * 1000);
    if (signal?.aborted) end();
    else signal?.addEventListener("abort", end, { once: true });
  });
}
