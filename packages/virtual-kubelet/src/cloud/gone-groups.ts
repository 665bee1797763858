// Groups that a cloud said it has no more, for a while: listings may show one after that, and one that was under way may.

/** A listing takes no longer than this. */
const rememberMs = 600_000;

export class GoneGroups {
  /** By UID, the oldest first. */
  readonly #at = new Map<string, number>();

  add(uid: string, now: number): void {
    this.#at.delete(uid);
    this.#at.set(uid, now);
    for (const [old, at] of this.#at) {
      if (now - at < rememberMs) break;
      this.#at.delete(old);
    }
  }

  /** It was gone less than `ms` before `at`, or after it. */
  wasGone(uid: string, at: number, ms: number): boolean {
    const goneAt = this.#at.get(uid);
    return goneAt !== undefined && at - goneAt < ms;
  }
}
