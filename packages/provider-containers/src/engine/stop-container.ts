// Stops a container by signals of ours, not by the engine's stop: Podman takes one that is being stopped for one that does not
// run any more, and refuses to run commands in it, which probes and users may want until its end.
import { isErrorKind, systemClock } from "@virtual-kubelet/virtual-kubelet";
import { inspectContainer, killContainer, unlessGone } from "./container-calls.ts";
import { type EngineCalls, part } from "./engine-calls.ts";
import type { CallOptions } from "./engine-client.ts";

/** Milliseconds after which KILL is sent again to one that did not end: the signal, or the answer, may have been lost. */
const killAgainMs = 5000;
/** Milliseconds by a clock that nobody sets: a grace is as long as it was promised. */
const now = (): number => performance.now();

interface Stop {
  /** Of `now`. */
  deadline: number;
  /** Has the deadline looked at again. */
  look(): void;
}

/** Who stops what: one that is told to stop again with less grace is not told TERM again. */
export class Stops {
  readonly #calls: EngineCalls;
  readonly #underWay = new Map<string, Stop>();

  constructor(calls: EngineCalls) {
    this.#calls = calls;
  }

  async stop(
    id: string,
    seconds: number,
    options: CallOptions & { readonly stopSignal?: string | undefined },
  ): Promise<void> {
    const deadline = now() + seconds * 1000;
    const other = this.#underWay.get(id);
    if (other !== undefined && deadline < other.deadline) {
      other.deadline = deadline;
      other.look();
    }
    const found = await inspectContainer(this.#calls, id, options).catch((error: unknown) => {
      if (isErrorKind(error, "NotFound")) return undefined;
      throw error;
    });
    if (found?.running !== true) return;
    if (other !== undefined && this.#underWay.get(id) === other) return this.#ended(id, options);
    const stop: Stop = { deadline, look() {} };
    this.#underWay.set(id, stop);
    try {
      if (seconds > 0) await killContainer(this.#calls, id, options.stopSignal || found.stopSignal || "TERM", options);
      await this.#end(id, stop, options);
    } finally {
      if (this.#underWay.get(id) === stop) this.#underWay.delete(id);
    }
  }

  async #end(id: string, stop: Stop, { signal }: CallOptions): Promise<void> {
    const over = new AbortController();
    const options = { signal: AbortSignal.any([signal, over.signal]) };
    const ended = this.#ended(id, options).then(() => true);
    ended.catch(() => {});
    try {
      for (;;) {
        const left = stop.deadline - now();
        if (left <= 0) {
          stop.deadline = now() + killAgainMs;
          await killContainer(this.#calls, id, "KILL", { signal });
          continue;
        }
        const { promise, resolve } = Promise.withResolvers<boolean>();
        stop.look = () => resolve(false);
        const cancel = systemClock.schedule(left, stop.look);
        try {
          if (await Promise.race([ended, promise])) return;
        } finally {
          cancel();
        }
      }
    } finally {
      over.abort();
    }
  }

  /** Resolves when it runs no more. */
  async #ended(id: string, options: CallOptions): Promise<void> {
    const podman = await this.#calls.isPodman(options);
    const request = { method: "POST", path: `/containers/${part(id)}/wait`, accept: [404], long: true } as const;
    const sent = podman
      ? this.#calls.libpodRequest(
          { ...request, query: { condition: ["stopped", "exited"], interval: "50ms" } },
          options,
        )
      : this.#calls.request({ ...request, query: { condition: "not-running" } }, options);
    await unlessGone(this.#calls.transport.call(sent));
  }
}
