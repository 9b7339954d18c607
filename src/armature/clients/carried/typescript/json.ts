/**
 * JSON whose numbers arrive as they were sent, or not at all.
 *
 * Whole numbers on the wire have 64 bits; a number here is exact up to 2^53 - 1. Beyond that one would silently become another,
 * so it is refused, both ways. Fractional numbers are the same on both sides, whatever their size.
 */

/** A text, or a number from its first sign to its last: digits after a point or an exponent are part of one that is no whole number. */
const TEXT_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?/g;
const LONG_WHOLE = /^-?\d{16,}$/;
const LONG = /\d{16}/;

/** A whole number beyond 2^53 - 1. */
export class TooWide extends RangeError {}

/** Read a text; throws `SyntaxError` or `TooWide`. */
export function read(text: string): unknown {
  refuseWide(text);
  return JSON.parse(text) as unknown;
}

/**
 * Write a value; throws `TooWide`, and `RangeError` for what is no number in JSON, which would become null.
 *
 * With `floats`, a float may stand in it, and that may be wide: it is written with an exponent, which no whole number has, so that
 * a server takes it for a float and for nothing else.
 */
export function write(value: unknown, floats = false): string {
  const text = JSON.stringify(value, finite);
  if (floats) return LONG.test(text) ? text.replace(TEXT_OR_NUMBER, (found) => (isWide(found) ? `${found}e0` : found)) : text;
  refuseWide(text);
  return text;
}

function finite(name: string, value: unknown): unknown {
  if (typeof value === "number" && !Number.isFinite(value)) throw new RangeError(`${name}: ${value} is no number in JSON`);
  return value;
}

function refuseWide(text: string): void {
  if (!LONG.test(text)) return;
  for (const [found] of text.matchAll(TEXT_OR_NUMBER)) {
    if (isWide(found)) throw new TooWide(`${found} is wider than a number can be here (2^53 - 1)`);
  }
}

function isWide(found: string): boolean {
  return LONG_WHOLE.test(found) && !Number.isSafeInteger(Number(found));
}
