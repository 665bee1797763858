// A queue: first in, first out, each thing at most once, with removal from anywhere in constant time.

export class Lane<T> {
  readonly #items = new Set<T>();
  /** Kept between calls: a new iterator would walk over all that was deleted before it. */
  #cursor: Iterator<T> | undefined;

  get size(): number {
    return this.#items.size;
  }

  add(item: T): void {
    this.#items.add(item);
  }

  delete(item: T): void {
    this.#items.delete(item);
  }

  values(): Iterable<T> {
    return this.#items.values();
  }

  /** Its caller removes it: what the cursor has passed is not found again. */
  first(): T | undefined {
    if (this.#items.size === 0) return undefined;
    const found = this.#cursor?.next();
    if (found?.done === false) return found.value;
    this.#cursor = this.#items.values();
    const next = this.#cursor.next();
    return next.done === true ? undefined : next.value;
  }
}
