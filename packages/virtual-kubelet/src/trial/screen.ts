// Where the output goes: on a terminal the view is drawn anew in its place, below all that was printed; elsewhere changes
// are lines. What cannot be written any more, because the terminal or reader is gone, is dropped.
import { styleText } from "node:util";
import { changeLines } from "./change-lines.ts";
import { nothing, type Snapshot } from "./rows.ts";
import { clockTime, type Paint, viewLines } from "./view.ts";

const control = "\u001b[";
const clearBelow = `${control}J`;
/** Drawn at most so often, and at least once a second: ages grow. */
const drawMs = 100;
const refreshMs = 1000;

export class Screen {
  readonly #stream: NodeJS.WriteStream;
  /** Lines of the view that are on the terminal now. */
  #drawn = 0;
  #last: Snapshot = nothing;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
    stream.on("error", () => {});
  }

  /** Above the view, if there is one. */
  print(text: string): void {
    this.#stream.write(`${this.#up()}${text}\n`);
    this.#drawn = 0;
  }

  readonly paint: Paint = (style, text) => styleText(style, text, { stream: this.#stream });

  /** Shows what `source` tells until the signal aborts; the last state stays. */
  async show(
    source: { snapshot(): Snapshot; onChange(listener: () => void): () => void },
    signal: AbortSignal,
  ): Promise<void> {
    const { promise: ended, resolve } = Promise.withResolvers<void>();
    let due: NodeJS.Timeout | undefined;
    const draw = (): void => {
      clearTimeout(due);
      due = undefined;
      this.#update(source.snapshot());
    };
    const soon = (): void => {
      due ??= setTimeout(draw, drawMs);
    };
    const onResize = (): void => {
      // The terminal has wrapped the lines anew: where the view began is unknown.
      this.#stream.write(`${control}2J${control}H`);
      this.#drawn = 0;
      draw();
    };
    const forget = source.onChange(soon);
    const refresh = this.#stream.isTTY ? setInterval(soon, refreshMs) : undefined;
    this.#stream.on("resize", onResize);
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve(), { once: true });
    soon();
    await ended;
    forget();
    clearInterval(refresh);
    this.#stream.off("resize", onResize);
    draw();
    this.#drawn = 0;
  }

  /** The whole view, once. */
  printView(snapshot: Snapshot): void {
    this.print(viewLines(snapshot, { now: Date.now(), paint: this.paint }).join("\n"));
  }

  #update(snapshot: Snapshot): void {
    if (this.#stream.isTTY) {
      const { columns: width = 80, rows = 24 } = this.#stream;
      const lines = viewLines(snapshot, { now: Date.now(), paint: this.paint, width, height: rows - 1 });
      this.#stream.write(`${this.#up()}${lines.join("\n")}\n`);
      this.#drawn = lines.length;
    } else {
      for (const line of changeLines(this.#last, snapshot)) this.#stream.write(`${clockTime(Date.now())} ${line}\n`);
    }
    this.#last = snapshot;
  }

  /** To where the view began, which is cleared. */
  #up(): string {
    return this.#drawn === 0 ? "" : `${control}${this.#drawn}F${clearBelow}`;
  }
}
