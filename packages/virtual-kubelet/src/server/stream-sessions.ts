// The open streams: ends those whose pod or container has ended.

import { VirtualKubeletError } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { Metrics } from "../metrics.ts";
import { hasEnded } from "./container-target.ts";
import type { ServedNode } from "./served-node.ts";

export interface SessionSubject {
  readonly node: ServedNode;
  readonly pod: Stored<Pod>;
  /** Its end is the stream's end; absent: only the pod's is. */
  readonly container?: string | undefined;
  /** Label of the route. */
  readonly pattern: string;
}

export interface StreamSession {
  /** Aborts, with an Aborted error that says why, when the stream must end although its client is there. */
  readonly signal: AbortSignal;
  close(): void;
}

interface OpenSession {
  readonly subject: SessionSubject;
  readonly controller: AbortController;
  endedAt: number | undefined;
}

const lookEveryMs = 1000;

export class StreamSessions {
  readonly #open = new Set<OpenSession>();
  readonly #metrics: Metrics;
  readonly #podEndGraceMs: number;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: { readonly metrics: Metrics; readonly podEndGraceMs: number }) {
    this.#metrics = options.metrics;
    this.#podEndGraceMs = options.podEndGraceMs;
  }

  open(subject: SessionSubject): StreamSession {
    const session: OpenSession = { subject, controller: new AbortController(), endedAt: undefined };
    this.#open.add(session);
    this.#metrics.kubeletStreams.inc({ route: subject.pattern });
    this.#timer ??= setInterval(() => this.#look(performance.now()), lookEveryMs).unref();
    return {
      signal: session.controller.signal,
      close: () => {
        if (!this.#open.delete(session)) return;
        this.#metrics.kubeletStreams.dec({ route: subject.pattern });
        if (this.#open.size > 0) return;
        clearInterval(this.#timer);
        this.#timer = undefined;
      },
    };
  }

  #look(now: number): void {
    for (const session of this.#open) {
      const { node, pod, container } = session.subject;
      if (!hasEnded(node, pod, container)) session.endedAt = undefined;
      else session.endedAt ??= now;
      if (session.endedAt === undefined || now - session.endedAt < this.#podEndGraceMs) continue;
      const what = container === undefined ? "the pod" : "the container";
      session.controller.abort(new VirtualKubeletError("Aborted", `${what} has ended`));
    }
  }
}
