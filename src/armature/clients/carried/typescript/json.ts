/**
 * JSON whose numbers arrive as they were sent, or not at all.
 *
 * Whole numbers on the wire have 64 bits; a number here is exact up to 2^53 - 1. Beyond that one would silently become another,
 * so it is refused, both ways.
 */

const TEXT_OR_WHOLE = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g;
const LONG = /\d{16}/;

/** A whole number beyond 2^53 - 1. */
export class TooWide extends RangeError {}

/** Read a text; throws `SyntaxError` or `TooWide`. */
export function read(text: string): unknown {
  refuseWide(text);
  return JSON.parse(text) as unknown;
}

/** Write a value; throws `TooWide`. */
export function write(value: unknown): string {
  const text = JSON.stringify(value);
  refuseWide(text);
  return text;
}

function refuseWide(text: string): void {
  if (!LONG.test(text)) return;
  for (const [found] of text.matchAll(TEXT_OR_WHOLE)) {
    if (!found.startsWith('"') && !Number.isSafeInteger(Number(found))) {
      throw new TooWide(`${found} is wider than a number can be here (2^53 - 1)`);
    }
  }
}
