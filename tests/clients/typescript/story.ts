/** What users of a made TypeScript client write; each story prints what it saw as JSON. `node story.js NAME URL DIRECT HEADERS`. */

import { ApiError, Client, NoAnswer, Refused, TooLate, TooWide, Unreadable, counter, refusals, type Answered, type Options, type Page } from "made-client";

declare const process: { readonly argv: readonly string[] };

const [, , name = "", url = "", direct = url, headers = "{}"] = process.argv;
const options: Options = { headers: JSON.parse(headers) as { [name: string]: string } };
const client = new Client(url, options);
const straight = new Client(direct, options);
const ID = "01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b";

async function refusal(call: Promise<unknown>): Promise<{ kind: string; code: string; error: Refused }> {
  try {
    await call;
  } catch (error) {
    if (error instanceof Refused) return { kind: error.constructor.name, code: error.problem.code, error };
    throw error;
  }
  throw new Error("it was not refused");
}

/** Call again and again: a rate lets one more in whenever its time has come, also while the ones before are under way. */
async function everMore(call: () => Promise<unknown>): Promise<void> {
  for (let time = 0; time < 100; time += 1) await call();
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const one of items) all.push(one);
  return all;
}

const stories: { [name: string]: () => Promise<unknown> } = {
  async operations() {
    const counters = client.counter;
    const one: counter.Counter = await counters.create({ name: "one", note: "first" });
    const two = await counters.create({ name: "two" });
    const values = [
      (await counters.increment({ counter_id: one.id, by: 5 })).value,
      (await counters.decrement({ counter_id: one.id })).value,
      (await counters.transfer({ counter_id: one.id, to: two.id, by: 3 })).value,
      (await counters.edit({ counter_id: one.id, note: null })).note,
      (await counters.edit({ counter_id: one.id, name: "uno" })).name,
      (await counters.reset({ counter_id: one.id })).value,
    ];
    const totals = await counters.totals();
    const lines = await collected(counters.historyEach({ counter_id: one.id, limit: 2 }));
    const history: Page<counter.Line> = await counters.history({ counter_id: one.id, limit: 1 });
    const gone: void = await counters.delete({ counter_id: one.id });
    const left = (await counters.list()).items.map((each) => each.name);
    const got = (await counters.get({ counter_id: two.id })).value;
    return { values, totals, verbs: lines.map((line) => line.operation), first: history.items[0]?.version, gone: gone === undefined, left, got };
  },

  async pages() {
    for (let number = 0; number < 7; number += 1) {
      const made = await client.counter.create({ name: `c${number}` });
      await client.counter.increment({ counter_id: made.id, by: 10 - number });
    }
    const all = (await collected(client.counter.listEach({ limit: 3 }))).map((one) => one.name);
    const pages = await collected(client.counter.listPages({ size: 3, sort: "value" }));
    const last = await collected(client.counter.listPages({ size: 3 }, 2));
    return { all, pages: pages.map((page) => page.items.map((one) => one.name)), total: pages[0]?.total, last: last.map((page) => page.page) };
  },

  async refusals() {
    const counters = client.counter;
    const one = await counters.create({ name: "one" });
    const two = await counters.create({ name: "two" });
    await counters.increment({ counter_id: one.id }, { key: "mine" });
    const poor = await refusal(counters.transfer({ counter_id: two.id, to: one.id, by: 1 }));
    const wrong = await refusal(counters.increment({ counter_id: one.id, by: 0 }));
    const nobody = new Client(url, { headers: { ...options.headers, "x-actor": "none" } });
    const reader = new Client(url, { headers: { ...options.headers, "X-Actor": "ann", "x-roles": "counter.reader" } });
    const forbidden = await refusal(reader.counter.reset({ counter_id: one.id }));
    const hasty = new Client(url, { ...options, attemptsMax: 1 });
    for (let time = 0; time < 10; time += 1) await hasty.counter.reset({ counter_id: two.id });
    const limited = await refusal(everMore(() => hasty.counter.reset({ counter_id: two.id })));
    const met = [
      await refusal(counters.create({ name: "one" })),
      await refusal(counters.transfer({ counter_id: one.id, to: one.id, by: 1 })),
      await refusal(counters.get({ counter_id: ID })),
      poor,
      wrong,
      await refusal(counters.increment({ counter_id: one.id, by: 2 }, { key: "mine" })),
      await refusal(nobody.counter.get({ counter_id: one.id })),
      forbidden,
      limited,
    ];
    return {
      met: met.map((each) => [each.kind, each.code]),
      poor: poor.error instanceof counter.Insufficient ? [poor.error.counter_id === two.id, poor.error.value] : null,
      wrong: wrong.error instanceof refusals.Invalid ? wrong.error.errors.map((each) => each.path) : null,
      forbidden: forbidden.error instanceof refusals.Forbidden ? forbidden.error.permission : null,
      limited: limited.error instanceof refusals.RateLimited ? [limited.error.rate, (limited.error.retryAfterSeconds ?? 0) >= 1] : null,
    };
  },

  async versions() {
    const one = await client.counter.create({ name: "one" });
    const same = await client.counter.getIfChanged({ counter_id: one.id }, one.version);
    await client.counter.increment({ counter_id: one.id }, { ifMatch: one.version });
    const newer = await client.counter.getIfChanged({ counter_id: one.id }, one.version);
    const stale = await refusal(client.counter.increment({ counter_id: one.id }, { ifMatch: one.version }));
    const current = stale.error instanceof refusals.PreconditionFailed ? stale.error.current : null;
    const after = await client.counter.increment({ counter_id: one.id }, { ifMatch: current ?? "" });
    return { same, newer: newer?.version, code: stale.code, after: after.value };
  },

  async lost() {
    const one = await straight.counter.create({ name: "one" });
    const told: Answered[] = [];
    const after = await client.counter.increment({ counter_id: one.id, by: 5 }, { told: (answered) => told.push(answered) });
    const there = await straight.counter.get({ counter_id: one.id });
    return { value: after.value, version: there.version, there: there.value, replayed: told.map((each) => each.replayed) };
  },

  async feed() {
    const one = await straight.counter.create({ name: "one" });
    const feed = client.counter.events({ counter_id: one.id });
    const seen: number[] = [];
    const ids = new Set<string>();
    // A stream begins when it is open: one step after another until the first event is there, then one for each.
    let waiting = true;
    const begin = (async () => {
      while (waiting) await straight.counter.increment({ counter_id: one.id });
    })();
    for await (const happened of feed) {
      if (happened.type === "counter.changed") seen.push(happened.event.version + 0 * happened.event.delta);
      ids.add(happened.id);
      if (waiting) {
        waiting = false;
        await begin;
      }
      if (seen.length === 8) break;
      await straight.counter.increment({ counter_id: one.id });
    }
    return { seen, ids: ids.size };
  },

  async late() {
    const tooLate = await client.counter.increment({ counter_id: ID }, { deadlineSeconds: 0.2, key: "mine" }).catch((error: unknown) => error);
    const controller = new AbortController();
    const aborted = client.counter.get({ counter_id: ID }, { signal: controller.signal }).catch((error: unknown) => error);
    controller.abort(new Error("enough"));
    const said = await aborted;
    return { late: tooLate instanceof TooLate ? tooLate.key : null, aborted: said instanceof Error ? said.message : null };
  },

  /** The server says in turn: busy, a counter; a value too wide; not the contract's; a newer refusal; a proxy's own words. */
  async told() {
    const quick = new Client(url, { pauseSeconds: 0.001, token: () => "secret", traceparent: () => "00-trace", attemptsMax: 2 });
    const repeated = await quick.counter.increment({ counter_id: ID, by: 1 });
    const failed: unknown[] = [];
    for (let time = 0; time < 2; time += 1) failed.push(await quick.counter.get({ counter_id: ID }).catch((error: unknown) => error));
    const newer = await refusal(quick.counter.reset({ counter_id: ID }));
    const proxy = await refusal(quick.counter.create({ name: "a" }));
    const sent = await quick.counter.increment({ counter_id: ID, by: 2 ** 53 }).catch((error: unknown) => error instanceof TooWide);
    const path = await quick.counter.get({ counter_id: ".." }).catch((error: unknown) => error instanceof RangeError);
    return {
      repeated: repeated.value,
      failed: failed.map((error) => error instanceof Unreadable && error instanceof ApiError),
      newer: [newer.kind, newer.code],
      proxy: [proxy.kind, proxy.error.problem.status],
      sent,
      path,
    };
  },

  async positions() {
    const seen: (string | null)[] = [];
    for (let time = 0; time < 3; time += 1) {
      await client.counter.increment({ counter_id: ID });
      await client.counter.totals();
      seen.push(client.position);
    }
    return seen;
  },

  async nobody() {
    const alone = await new Client(url, { attemptsMax: 2, pauseSeconds: 0.001 }).counter.totals().catch((error: unknown) => error);
    return { nobody: alone instanceof NoAnswer };
  },
};

const story = stories[name];
if (story === undefined) throw new Error(`there is no story ${name}`);
// Nothing keeps the program alive after this: a timer that were left would.
console.log(JSON.stringify(await story()));
