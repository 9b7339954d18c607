/** Server-sent events out of bytes (the WHATWG standard, 9.2.6): pieces may end anywhere, also within a letter. */

/** What stood between two empty lines; `data` is null where there was no event. */
export interface Block {
  readonly id: string;
  readonly type: string;
  readonly data: string | null;
}

/** Reads one stream; `retrySeconds` is how long the server asks to wait before it is opened again. */
export class EventParser {
  retrySeconds: number | null = null;
  private readonly letters = new TextDecoder();
  private text = "";
  private id = "";
  private type = "";
  private data: string[] = [];

  /** Take the next bytes; return the blocks they complete. */
  feed(piece: Uint8Array): Block[] {
    this.text += this.letters.decode(piece, { stream: true });
    const blocks: Block[] = [];
    for (;;) {
      const end = this.text.search(/[\r\n]/);
      // A line feed may follow the return in the next piece.
      if (end < 0 || (this.text[end] === "\r" && end + 1 === this.text.length)) return blocks;
      const line = this.text.slice(0, end);
      this.text = this.text.slice(this.text.startsWith("\r\n", end) ? end + 2 : end + 1);
      if (line !== "") this.field(line);
      else blocks.push(this.block());
    }
  }

  private field(line: string): void {
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") this.data.push(value);
    else if (name === "event") this.type = value;
    else if (name === "id" && !value.includes("\0")) this.id = value;
    else if (name === "retry" && /^[0-9]+$/.test(value)) this.retrySeconds = Number(value) / 1000;
  }

  private block(): Block {
    const made = { id: this.id, type: this.type || "message", data: this.data.length > 0 ? this.data.join("\n") : null };
    this.type = "";
    this.data = [];
    return made;
  }
}
