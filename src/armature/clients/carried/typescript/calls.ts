/** What one call is: where it goes, what it carries, and whether it may be repeated. Nothing here touches a network. */

import { write } from "./json.js";
import type { Version } from "./kinds.js";
import { NoAnswer, Refused, type Refusals } from "./refusals.js";

/** What an answer says beside its value. */
export interface Answered {
  readonly status: number;
  readonly requestId: string;
  /** True when an earlier call with the same key had done it already. */
  readonly replayed: boolean;
  readonly position: string | null;
  readonly etag: string | null;
}

/** How a client behaves; every value may be kept. */
export interface Options {
  /** The bearer token, or what gives one for each attempt. */
  readonly token?: string | (() => string);
  /** Sent with everything. */
  readonly headers?: { readonly [name: string]: string };
  /** Gives the trace that a call belongs to (W3C Trace Context). */
  readonly traceparent?: () => string | null;
  /** How long a call may take, repeats included; 30 s. */
  readonly deadlineSeconds?: number;
  /** At most so many attempts of one call; 5. */
  readonly attemptsMax?: number;
  /** The first pause before a repeat is at most so long, each further one at most twice the one before; 0.1 s. */
  readonly pauseSeconds?: number;
  /** No pause is longer than this, unless the server asks for it; 10 s. */
  readonly pauseSecondsMax?: number;
  /** Repeats for each call, over all calls: a server in trouble is not asked many times more often than usual; 0.1. */
  readonly budget?: number;
  /** Repeats that are possible beyond that before the budget is empty; 10. */
  readonly budgetSpare?: number;
  /** Queries wait a moment for read models to have seen this client's last command; true. */
  readonly readOwnWrites?: boolean;
  /** A feed that says nothing for so long is opened again; 45 s. */
  readonly silenceSeconds?: number;
  /** A feed gives up after so many openings in a row that brought nothing; 50. */
  readonly feedAttemptsMax?: number;
  /** Instead of the global `fetch`. */
  readonly fetch?: typeof fetch;
}

/** Options with everything decided. */
export type Settled = Required<Omit<Options, "token" | "traceparent">> & Pick<Options, "token" | "traceparent">;

/** Decide what was left open. */
export function settled(options: Options): Settled {
  return {
    headers: {},
    deadlineSeconds: 30,
    attemptsMax: 5,
    pauseSeconds: 0.1,
    pauseSecondsMax: 10,
    budget: 0.1,
    budgetSpare: 10,
    readOwnWrites: true,
    silenceSeconds: 45,
    feedAttemptsMax: 50,
    fetch: (input, init) => globalThis.fetch(input, init),
    ...options,
  };
}

/** What one call may say beside its arguments. */
export interface Call {
  /** The idempotency key of a command; one is made when none is given. */
  readonly key?: string;
  /** Queries wait for this position instead of the client's own. */
  readonly position?: string;
  readonly deadlineSeconds?: number;
  readonly traceparent?: string;
  readonly headers?: { readonly [name: string]: string };
  readonly signal?: AbortSignal;
  /** Hears what the answer says beside its value. */
  readonly told?: (answered: Answered) => void;
}

/** A command on a thing that has a version. */
export interface VersionedCall extends Call {
  /** Change only this version; a newer one is refused. */
  readonly ifMatch?: Version;
}

/** An operation of the contract. */
export interface Operation {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  readonly inPath: readonly string[];
  readonly inBody: boolean;
  readonly query: boolean;
  readonly takesKey: boolean;
  readonly empty: boolean;
  readonly refusals: Refusals;
  /** Arguments in which a fractional number stands somewhere. */
  readonly floats?: readonly string[];
  /** What a query string cannot say of an argument, as `name=null` or `name=[]`: left out, it would be its default. */
  readonly unsaid?: readonly string[];
  /** The names of a feed's events. */
  readonly events?: readonly string[];
}

/** Arguments by name; what is undefined is left out. */
export type Arguments = { readonly [name: string]: unknown };

/** A request, the same for each attempt; only the token may change. */
export interface Sent {
  readonly path: string;
  readonly headers: { [name: string]: string };
  readonly body: string | null;
  readonly key: string | null;
  readonly requestId: string;
}

const HEADER = /^[\t\x20-\x7e]*$/;

/** Return the request for a call of an operation; throws `RangeError` for what a request cannot say. */
export function ask(operation: Operation, args: Arguments, call: Call, options: Settled): Sent {
  const given: { [name: string]: unknown } = { ...args };
  let path = operation.path;
  for (const name of operation.inPath) {
    path = path.replace(`{${name}}`, () => segment(operation, name, given[name]));
    delete given[name];
  }
  const headers: { [name: string]: string } = { "x-request-id": uuid4() };
  for (const [name, value] of Object.entries({ ...options.headers, ...call.headers })) headers[name.toLowerCase()] = value;
  const trace = call.traceparent ?? options.traceparent?.();
  if (trace) headers["traceparent"] = trace;
  const key = operation.takesKey ? (call.key ?? uuid4()) : null;
  if (key !== null) headers["idempotency-key"] = key;
  for (const [name, text] of Object.entries(headers)) {
    if (!HEADER.test(text)) throw new RangeError(`${name}: a header holds printable ASCII only, got ${JSON.stringify(text)}`);
  }
  if (operation.inBody) headers["content-type"] = "application/json";
  else path += search(operation, given);
  return { path, headers, body: operation.inBody ? whole(operation, given) : null, key, requestId: headers["x-request-id"] ?? "" };
}

/** Return a version as If-Match and If-None-Match have it. */
export function etag(version: Version): string {
  const text = String(version);
  return text === "*" || text.startsWith('"') || text.startsWith("W/") ? text : `"${text}"`;
}

/** Return the newest position of each log: modules may have logs of their own, and each position says whose it is. */
export function joined(known: string | null, told: string): string {
  const newest = new Map<string, string>();
  for (const one of `${known ?? ""},${told}`.split(",")) {
    if (one !== "") newest.set(one.slice(0, one.lastIndexOf(":") + 1), one);
  }
  return [...newest.keys()].sort().map((log) => newest.get(log)).join(",");
}

/** Say whether a repeat can help and cannot harm; a command without a key is repeated only if nothing can have happened. */
export function repeatable(operation: Operation, error: Refused | NoAnswer): boolean {
  const safe = operation.query || operation.takesKey;
  if (error instanceof Refused) return error.transient && (safe || error.problem.status === 429);
  return safe; // fetch does not tell whether anything was sent
}

/** A random UUID; `crypto.randomUUID` exists on secure pages only. */
export function uuid4(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const digits = Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** The body: each argument on its own, since it depends on the argument how wide its numbers may be. */
function whole(operation: Operation, given: Arguments): string {
  const pairs = Object.entries(given).filter(([, value]) => value !== undefined);
  return `{${pairs.map(([name, value]) => `${JSON.stringify(name)}:${write(value, operation.floats?.includes(name))}`).join(",")}}`;
}

function segment(operation: Operation, name: string, value: unknown): string {
  const text = plain(operation, name, value);
  if (text === "" || text === "." || text === "..") {
    throw new RangeError(`${name}: "${text}" cannot stand in a path; it would name another thing`);
  }
  return encodeURIComponent(text);
}

function search(operation: Operation, given: Arguments): string {
  const pairs = Object.entries(given).flatMap(([name, value]) => {
    const said = value === null ? "null" : Array.isArray(value) && value.length === 0 ? "[]" : "";
    if (operation.unsaid?.includes(`${name}=${said}`)) {
      throw new RangeError(`${name}: a query string cannot say ${said}; leave it out for its default, or give another value`);
    }
    // A query string has no null; what is left out has its default.
    if (value === undefined || value === null) return [];
    const every: readonly unknown[] = Array.isArray(value) ? value : [value];
    return every.map((one) => `${encodeURIComponent(name)}=${encodeURIComponent(plain(operation, name, one))}`);
  });
  return pairs.length > 0 ? `?${pairs.join("&")}` : "";
}

function plain(operation: Operation, name: string, value: unknown): string {
  return typeof value === "number" ? write(value, operation.floats?.includes(name)) : String(value);
}
