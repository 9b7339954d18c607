/** What JSON has no type for, as texts that cannot be mistaken for each other. A plain string may stand for any of them. */

/** A UUID, as `01981a2b-3c4d-7e5f-8a9b-0c1d2e3f4a5b`. */
export type Uuid = string & { readonly __kind?: "uuid" };

/** A time in UTC, as `2026-01-31T12:00:00Z`; `new Date(text)` reads it to the millisecond. */
export type DateTime = string & { readonly __kind?: "datetime" };

/** A decimal number, digit by digit, as `9.90`. */
export type Decimal = string & { readonly __kind?: "decimal" };

/** Bytes in base64. */
export type Base64 = string & { readonly __kind?: "base64" };

/** The version of a thing: the number it carries, an entity tag as it was sent, or `*` for whichever there is. */
export type Version = number | string;

/**
 * One page of a longer list. By cursor: `next_cursor`, null on the last page. By number: `page` from 0, `size`, and `total` over
 * all pages.
 */
export interface Page<T> {
  readonly items: readonly T[];
  readonly next_cursor?: string | null;
  readonly page?: number;
  readonly size?: number;
  readonly total?: number;
}

/** An event of a feed. `id` is where the feed goes on after it. */
export interface Happened<N extends string, T> {
  readonly id: string;
  readonly type: N;
  readonly event: T;
}
