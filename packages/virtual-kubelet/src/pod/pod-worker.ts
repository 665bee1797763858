// One turn of work on one pod: plan decides, the action runs, in a slot of the node's provider where it calls that.
import type { Clock } from "../clock.ts";
import type { WorkQueue } from "../kube/work-queue.ts";
import { isTerminal } from "../status/pod-status.ts";
import type { CallSlots } from "./call-slots.ts";
import { type NodeState, slotsOf } from "./node-state.ts";
import { type PodAction, plan } from "./plan.ts";
import { act } from "./pod-actions.ts";
import { type PodEntry, revisionOf } from "./pod-entry.ts";
import type { PodRecords } from "./pod-records.ts";
import type { PodTally } from "./pod-tally.ts";
import type { StatusManager } from "./status-manager.ts";

/** How often to look whether the API's pods are known. */
export const syncPollMs = 200;

export interface PodWorkerParts {
  readonly nodes: ReadonlyMap<string, NodeState>;
  readonly records: PodRecords;
  readonly queue: Pick<WorkQueue, "retries">;
  readonly status: Pick<StatusManager, "add" | "forget">;
  readonly tally: PodTally;
  readonly clock: Clock;
  readonly hasSynced: () => boolean;
}

type Again = { readonly requeueAfterMs?: number } | undefined;

export class PodWorker {
  readonly #parts: PodWorkerParts;
  /** No more calls are begun once it aborts. */
  #stop: AbortSignal = new AbortController().signal;

  constructor(parts: PodWorkerParts) {
    this.#parts = parts;
  }

  stopAt(signal: AbortSignal): void {
    this.#stop = signal;
  }

  async process(uid: string, signal: AbortSignal): Promise<Again> {
    const { records, nodes, status, hasSynced } = this.#parts;
    const entry = records.get(uid);
    const state = entry === undefined ? undefined : nodes.get(entry.owner.node);
    if (entry === undefined || state === undefined) return undefined;
    // What is where must be known on both sides before anything is done; the first listing enqueues every pod.
    if (!hasSynced()) return { requeueAfterMs: syncPollMs };
    if (!state.listed) {
      if (state.trouble !== undefined && entry.failure !== state.trouble) {
        entry.failure = state.trouble;
        status.add(uid);
      }
      return undefined;
    }
    let held: CallSlots | undefined;
    try {
      for (;;) {
        // Planned anew after each wait for a slot: the pod may have been deleted meanwhile.
        const action = plan(entry, entry, this.#parts.clock.now(), state.rules);
        const slots = slotsOf(state, action);
        if (held !== slots) {
          held?.give();
          held = undefined;
          if (slots !== undefined && !(await this.#takeSlot(slots, entry))) {
            if (this.#stop.aborted) return undefined;
            continue;
          }
          held = slots;
          if (slots !== undefined) continue;
        }
        return await this.#act(action, entry, state, signal);
      }
    } finally {
      held?.give();
    }
  }

  /** False: the pod is being deleted, or the program ends. */
  async #takeSlot(slots: CallSlots, entry: PodEntry): Promise<boolean> {
    if (slots.tryTake()) return true;
    const left = new AbortController();
    entry.call = left;
    try {
      const retried = this.#parts.queue.retries(entry.owner.uid) > 0;
      return await slots.wait(AbortSignal.any([left.signal, this.#stop]), retried);
    } finally {
      entry.call = undefined;
    }
  }

  async #act(action: PodAction, entry: PodEntry, state: NodeState, signal: AbortSignal): Promise<Again> {
    const { uid } = entry.owner;
    this.#adopt(entry, state, action);
    // Somebody else may have ended it in the API: nothing of it runs, so it takes no room.
    if (action.type === "none" && isTerminal(entry.pod?.status)) {
      state.usage.remove(uid);
      state.context.resolution?.release(uid);
    }
    const result = await act(action, entry, state.context, signal);
    if (action.type === "forget") {
      this.#parts.status.forget(uid);
      this.#parts.tally.forget(uid);
    }
    return result;
  }

  /** Takes in what runs on the backend without our having created it just now. */
  #adopt(entry: PodEntry, state: NodeState, action: PodAction): void {
    const { uid, node } = entry.owner;
    if (entry.backend.type !== "present" || !entry.inApi || entry.pod === undefined) return;
    if (action.type === "finish" || isTerminal(entry.pod.status)) return;
    state.usage.add(uid, entry.pod);
    if (entry.applied !== undefined || action.type === "update") return;
    entry.applied = entry.backend.report.revision ?? revisionOf(entry.pod);
    if (entry.createStartedAt === undefined) this.#parts.tally.adopted(node);
  }
}
