/** Calls over a network: sends, repeats what may be repeated, walks pages and follows feeds. */

import { ask, etag, joined, repeatable, settled, type Arguments, type Call, type Operation, type Options, type Sent, type Settled, type VersionedCall } from "./calls.js";
import { EventParser } from "./events.js";
import { read } from "./json.js";
import type { Page, Version } from "./kinds.js";
import { Budget, Patience, Pause, sleep } from "./patience.js";
import { NoAnswer, Refused, TooLate, Unreadable, refused } from "./refusals.js";

const POSITION = "armature-position";

interface Got {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

/** One server. `position` is where this client's last command stands in the log, or in each log where there are several. */
export class Wire {
  position: string | null = null;
  private readonly url: string;
  private readonly options: Settled;
  private readonly budget: Budget;

  constructor(url: string, options: Options) {
    this.url = url.replace(/\/+$/, "");
    this.options = settled(options);
    this.budget = new Budget(this.options);
  }

  /** Call an operation. */
  async run<T>(operation: Operation, args: Arguments, call: VersionedCall = {}): Promise<T> {
    const conditions = call.ifMatch === undefined ? {} : { "if-match": etag(call.ifMatch) };
    const [got, sent] = await this.call(operation, args, call, conditions);
    if (got.status === 304) throw new Unreadable("304 to a call that asked for no such thing", sent.requestId);
    return operation.empty ? (undefined as T) : decoded<T>(got.text, sent);
  }

  /** Call a query; null when the answer is still of that version. */
  async runIfChanged<T>(operation: Operation, args: Arguments, ifNoneMatch: Version, call: Call = {}): Promise<T | null> {
    const [got, sent] = await this.call(operation, args, call, { "if-none-match": etag(ifNoneMatch) });
    return got.status === 304 ? null : decoded<T>(got.text, sent);
  }

  /** Walk over all items, page by page, by cursor. */
  async *each<T>(operation: Operation, args: Arguments, call: Call = {}): AsyncGenerator<T, void, undefined> {
    let page = await this.run<Page<T>>(operation, args, call);
    for (;;) {
      yield* page.items;
      if (!page.next_cursor) return;
      page = await this.run<Page<T>>(operation, { ...args, cursor: page.next_cursor }, call);
    }
  }

  /** Walk over numbered pages, the first one from 0. */
  async *numbered<T>(operation: Operation, args: Arguments, first: number, call: Call = {}): AsyncGenerator<Page<T>, void, undefined> {
    for (let number = first; ; number += 1) {
      const page = await this.run<Page<T>>(operation, { ...args, page: number }, call);
      yield page;
      if (page.items.length === 0 || (number + 1) * (page.size ?? 0) >= (page.total ?? 0)) return;
    }
  }

  /** Follow a feed for as long as somebody listens: each event once, over as many connections as it takes. */
  async *follow<H>(feed: Operation, args: Arguments, after: string | null, call: Call = {}): AsyncGenerator<H, void, undefined> {
    const sent = ask(feed, args, call, this.options);
    const pause = new Pause(this.options);
    let last = after ?? "";
    for (;;) {
      const parser = new EventParser();
      let asked: number | null = null;
      let trouble: NoAnswer | Refused = new NoAnswer("the feed ended", sent.requestId, null);
      try {
        for await (const piece of this.stream(feed, sent, last, call.signal)) {
          for (const block of parser.feed(piece)) {
            pause.again();
            last = block.id || last;
            if (block.data !== null && feed.events?.includes(block.type)) {
              yield { id: last, type: block.type, event: decoded(block.data, sent) } as H;
            }
          }
        }
      } catch (error) {
        if (!(error instanceof NoAnswer || (error instanceof Refused && error.transient))) throw error;
        trouble = error;
        if (error instanceof Refused) asked = error.retryAfterSeconds;
      }
      if (pause.count >= this.options.feedAttemptsMax) throw trouble;
      await sleep(pause.next(asked ?? parser.retrySeconds), call.signal);
    }
  }

  /** The bytes of one connection to a feed. */
  private async *stream(feed: Operation, sent: Sent, last: string, signal?: AbortSignal): AsyncGenerator<Uint8Array, void, undefined> {
    const quiet = new Limit(signal);
    try {
      quiet.within(this.options.silenceSeconds * 1000);
      const headers: { [name: string]: string } = { ...this.headers(sent), accept: "text/event-stream" };
      if (last) headers["last-event-id"] = last;
      const answer = await this.options.fetch(this.url + sent.path, { headers, signal: quiet.signal, cache: "no-store" });
      if (answer.status !== 200) throw refusal(feed, { status: answer.status, headers: answer.headers, text: await answer.text() }, sent);
      const reader = answer.body?.getReader();
      for (let piece = await reader?.read(); piece?.value; piece = await reader?.read()) {
        quiet.within(this.options.silenceSeconds * 1000);
        yield piece.value;
      }
    } catch (error) {
      if (error instanceof Refused) throw error;
      if (signal?.aborted) throw signal.reason;
      throw new NoAnswer(reason(error), sent.requestId, null);
    } finally {
      quiet.end();
    }
  }

  private async call(operation: Operation, args: Arguments, call: Call, conditions: { [name: string]: string }): Promise<[Got, Sent]> {
    const sent = ask(operation, args, call, this.options);
    Object.assign(sent.headers, conditions);
    let carried = operation.query ? (call.position ?? (this.options.readOwnWrites ? this.position : null)) : null;
    if (carried !== null) sent.headers[POSITION] = carried;
    const patience = new Patience(this.options, this.budget, call.deadlineSeconds);
    for (;;) {
      let wait: number | null = null;
      try {
        const got = await this.attempt(operation, sent, patience, call.signal);
        this.judge(operation, call, got, sent);
        return [got, sent];
      } catch (error) {
        if (!(error instanceof Refused || error instanceof NoAnswer)) throw error;
        if (call.position === undefined && carried !== null && foreign(error)) {
          // After a restore the log is another one; what it holds is all there is to wait for.
          delete sent.headers[POSITION];
          this.position = carried = null;
          continue;
        }
        const asked = error instanceof Refused ? error.retryAfterSeconds : null;
        if (repeatable(operation, error)) wait = patience.wait(asked);
        if (wait === null) throw error;
      }
      await sleep(wait, call.signal);
    }
  }

  private async attempt(operation: Operation, sent: Sent, patience: Patience, signal?: AbortSignal): Promise<Got> {
    const limit = new Limit(signal);
    limit.within(Math.max(patience.left, 1));
    try {
      const answer = await this.options.fetch(this.url + sent.path, {
        method: operation.method,
        headers: this.headers(sent),
        body: sent.body,
        signal: limit.signal,
        redirect: "manual",
        cache: "no-store",
      });
      return { status: answer.status, headers: answer.headers, text: await answer.text() };
    } catch (error) {
      if (signal?.aborted) throw signal.reason;
      if (limit.passed) throw new TooLate("no answer within the deadline", sent.requestId, sent.key);
      throw new NoAnswer(reason(error), sent.requestId, sent.key);
    } finally {
      limit.end();
    }
  }

  private judge(operation: Operation, call: Call, got: Got, sent: Sent): void {
    if (got.status >= 400) throw refusal(operation, got, sent);
    if (got.status < 200 || (got.status >= 300 && got.status !== 304)) {
      throw new Unreadable(`status ${got.status}: give the client the address it leads to`, sent.requestId);
    }
    const position = got.headers.get(POSITION);
    if (position !== null && !operation.query) this.position = joined(this.position, position);
    call.told?.({
      status: got.status,
      requestId: got.headers.get("x-request-id") ?? sent.requestId,
      replayed: got.headers.get("idempotent-replayed") === "true",
      position,
      etag: got.headers.get("etag"),
    });
  }

  private headers(sent: Sent): { [name: string]: string } {
    const token = typeof this.options.token === "function" ? this.options.token() : this.options.token;
    return token === undefined ? sent.headers : { ...sent.headers, authorization: `Bearer ${token}` };
  }
}

/** Ends a request when its time is up or its caller has enough of it. */
class Limit {
  passed = false;
  private readonly controller = new AbortController();
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly give = (): void => this.controller.abort();

  constructor(private readonly outer?: AbortSignal) {
    if (outer?.aborted) this.give();
    else outer?.addEventListener("abort", this.give, { once: true });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** From now on, so many milliseconds. */
  within(milliseconds: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.passed = true;
      this.give();
    }, milliseconds);
  }

  /** Nobody reads any more: the connection of a stream is given up. */
  end(): void {
    clearTimeout(this.timer);
    this.outer?.removeEventListener("abort", this.give);
    this.give();
  }
}

function refusal(operation: Operation, got: Got, sent: Sent): Refused {
  const asked = got.headers.get("retry-after") ?? "";
  const wait = /^[0-9]+$/.test(asked) ? Number(asked) : null;
  return refused(operation.refusals, got.status, got.text, got.headers.get("x-request-id") ?? sent.requestId, wait);
}

/** Whether a position was refused that this client had kept. */
function foreign(error: Refused | NoAnswer): boolean {
  if (!(error instanceof Refused)) return false;
  const errors = error.problem.members["errors"];
  const every: readonly unknown[] = Array.isArray(errors) ? errors : [];
  return every.some((one) => String((one as { path?: unknown } | null)?.path).toLowerCase() === POSITION);
}

function decoded<T>(text: string, sent: Sent): T {
  try {
    return read(text) as T;
  } catch (error) {
    throw new Unreadable(`the answer is not what the contract says: ${reason(error)}`, sent.requestId);
  }
}

function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? `${error.message}: ${error.cause.message}` : error.message;
}
