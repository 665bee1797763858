// Reads what a terminal shows in which a shell runs a command by `shellLines`: the command's output, without what tells its
// beginning and end, wherever the pieces are cut. Pure.

export interface ShownPiece {
  readonly stream: "stdout" | "stderr";
  readonly data: Uint8Array;
}

/** Of what came before the command's output, for errors. */
const keptBefore = 4_000;

export class ShellOutput {
  readonly #mark: Buffer;
  readonly #tty: boolean;
  #rest: Buffer = Buffer.alloc(0);
  #stream: "before" | "stdout" | "stderr" | "ended" = "before";
  /** The terminal puts a carriage return before each line feed, though it was told not to. */
  #hasReturns = false;
  #heldReturn = false;
  #takesCode = false;
  #linesTaken = 0;
  #before = "";
  #exitCode: number | undefined;

  constructor(mark: string, { tty }: { readonly tty: boolean }) {
    this.#mark = Buffer.from(mark);
    this.#tty = tty;
  }

  get hasBegun(): boolean {
    return this.#stream !== "before";
  }

  /** Input may come by `codedLine`. */
  get takesCode(): boolean {
    return this.#takesCode;
  }

  /** Of those by `codedLine`. */
  get linesTaken(): number {
    return this.#linesTaken;
  }

  /** Undefined: it has not ended yet. */
  get exitCode(): number | undefined {
    return this.#exitCode;
  }

  /** The last of what the terminal showed before. */
  get before(): string {
    return this.#before;
  }

  feed(chunk: Uint8Array): readonly ShownPiece[] {
    const pieces: ShownPiece[] = [];
    this.#rest = Buffer.concat([this.#rest, chunk]);
    while (this.#stream !== "ended") {
      const at = this.#rest.indexOf(this.#mark);
      const end = at < 0 ? this.#rest.length - this.#heldLength() : at;
      this.#show(this.#rest.subarray(0, end), pieces);
      this.#rest = this.#rest.subarray(end);
      if (at < 0 || !this.#takeMark()) break;
    }
    return pieces;
  }

  /** What is held back of a terminal that shows no more. */
  end(): readonly ShownPiece[] {
    const pieces: ShownPiece[] = [];
    if (this.#stream !== "ended") this.#show(this.#rest, pieces);
    this.#rest = Buffer.alloc(0);
    return pieces;
  }

  /** The mark is in front. False: what follows it is not there yet. */
  #takeMark(): boolean {
    const after = this.#rest.subarray(this.#mark.length, this.#mark.length + 8).toString("latin1");
    const told = /^(?:([[{])(\r?)\n|(\|)|(\+)|\](\d{1,3});)/.exec(after);
    if (told === null) {
      if (after.length < 5) return false;
      // Nobody but the shell knows the mark: this is not it, and passed on.
      this.#rest = this.#rest.subarray(this.#mark.length);
      return true;
    }
    const [whole, start, hasReturn, errors, taken, code] = told;
    this.#rest = this.#rest.subarray(this.#mark.length + whole.length);
    if (taken !== undefined) {
      this.#linesTaken += 1;
      return true;
    }
    this.#heldReturn = false;
    if (start !== undefined) {
      this.#stream = "stdout";
      this.#takesCode = start === "{";
      this.#hasReturns = hasReturn === "\r" && !this.#tty;
    } else if (errors !== undefined) this.#stream = "stderr";
    else {
      this.#stream = "ended";
      this.#exitCode = Number(code) & 255;
    }
    return true;
  }

  /** Bytes at the end that may be the mark's first. */
  #heldLength(): number {
    const most = Math.min(this.#rest.length, this.#mark.length - 1);
    for (let length = most; length > 0; length--)
      if (this.#rest.subarray(-length).equals(this.#mark.subarray(0, length))) return length;
    return 0;
  }

  #show(data: Buffer, pieces: ShownPiece[]): void {
    if (data.length === 0 || this.#stream === "ended") return;
    if (this.#stream === "before") {
      this.#before = `${this.#before}${data.toString("utf8")}`.slice(-keptBefore);
      return;
    }
    const shown = this.#hasReturns ? this.#withoutReturns(data) : data;
    // A copy: what is held back lies beside it.
    if (shown.length > 0) pieces.push({ stream: this.#stream, data: Uint8Array.from(shown) });
  }

  #withoutReturns(data: Buffer): Buffer {
    const text = `${this.#heldReturn ? "\r" : ""}${data.toString("latin1")}`;
    this.#heldReturn = text.endsWith("\r");
    return Buffer.from((this.#heldReturn ? text.slice(0, -1) : text).replaceAll("\r\n", "\n"), "latin1");
  }
}
