/** How a call can end other than well. A refusal is an answer that says no and why; everything else is the lack of an answer. */

import { read } from "./json.js";

/** One thing wrong with one field of a request; `path` is dotted (`items.0.name`). */
export interface FieldError {
  readonly path: string;
  readonly message: string;
}

/** What the server said, as RFC 9457 has it; `members` is all of it. */
export interface Problem {
  readonly status: number;
  readonly title: string;
  readonly detail: string;
  readonly kind: string;
  readonly code: string;
  readonly members: { readonly [name: string]: unknown };
}

/** Base of everything a call throws. `requestId` finds the call in the server's log. */
export class ApiError extends Error {
  constructor(
    text: string,
    readonly requestId: string,
  ) {
    super(text);
    this.name = new.target.name;
  }
}

/** What a refusal is made of. */
export interface Said {
  readonly problem: Problem;
  readonly requestId: string;
  readonly retryAfterSeconds: number | null;
}

const TRANSIENT: readonly number[] = [429, 503, 504];
/** The first call with this key has no verdict yet: asking again is how it is learned. */
const IN_FLIGHT = "idempotency:in_flight";

/** The server answered, and refused. Codes that this package knows have a class of their own with typed fields. */
export class Refused extends ApiError {
  readonly problem: Problem;
  readonly retryAfterSeconds: number | null;

  constructor(said: Said) {
    super(`${said.problem.code || said.problem.status}: ${said.problem.detail || said.problem.title}`, said.requestId);
    this.problem = said.problem;
    this.retryAfterSeconds = said.retryAfterSeconds;
  }

  /** Whether the same call may succeed a little later. */
  get transient(): boolean {
    return TRANSIENT.includes(this.problem.status) || this.problem.code === IN_FLIGHT;
  }

  /** A field of the refusal's own. */
  protected member<T>(name: string): T {
    if (!(name in this.problem.members)) throw new MissingMember(name);
    return this.problem.members[name] as T;
  }
}

class MissingMember extends Error {}

/** Nothing came back, so a command may or may not have happened; repeat it with the same `key` to learn which. */
export class NoAnswer extends ApiError {
  constructor(
    text: string,
    requestId: string,
    readonly key: string | null,
  ) {
    super(text, requestId);
  }
}

/** The deadline of the call passed before an answer came. */
export class TooLate extends NoAnswer {}

/** An answer is not what the contract says; this package is older or newer than the server. */
export class Unreadable extends ApiError {}

/** The class for each code. */
export type Refusals = { readonly [code: string]: new (said: Said) => Refused };

/** Return the refusal that an answer is: of its own class where the code is known and its fields are there. */
export function refused(kinds: Refusals, status: number, text: string, requestId: string, wait: number | null): Refused {
  const said = { problem: problemOf(status, text), requestId, retryAfterSeconds: wait };
  const kind = Object.hasOwn(kinds, said.problem.code) ? kinds[said.problem.code] : undefined;
  try {
    return new (kind ?? Refused)(said);
  } catch (error) {
    if (error instanceof MissingMember) return new Refused(said);
    throw error;
  }
}

function problemOf(status: number, text: string): Problem {
  let members: { [name: string]: unknown } = {};
  try {
    const value = read(text);
    if (typeof value === "object" && value !== null && !Array.isArray(value)) members = { ...value };
  } catch {
    // A proxy on the way answers in its own words; the status is then all there is.
    members = { detail: text.slice(0, 200) };
  }
  const word = (name: string): string => (typeof members[name] === "string" ? members[name] : "");
  return { status, title: word("title"), detail: word("detail"), kind: word("kind"), code: word("code"), members };
}
