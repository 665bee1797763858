// How the mock provider reaches its backend: in this process, or (remote-connection.ts) in another.
import { VirtualKubeletError } from "../../errors.ts";
import type { PodFailure, PodOwner, PodReport, PodRequest, PodUpdate } from "../../provider/pods.ts";
import type { CreateOutcome, MockBackend } from "./backend.ts";
import type { ContainerRuns, PodUsage } from "./runs.ts";
import type { ContainerUsage } from "./usage.ts";

/** What a test does to the backend behind the provider's back. All throw NotFound for an unknown pod. */
export type BackendAction =
  /** Forgets the pod without a word. */
  | { readonly action: "lose"; readonly uid: string }
  /** Removes the pod as if by hand, and tells. */
  | { readonly action: "remove"; readonly uid: string }
  /** Ends the present run of a container. */
  | { readonly action: "exit"; readonly uid: string; readonly container: string; readonly exitCode: number }
  /** Ends the pod as a whole. */
  | { readonly action: "fail"; readonly uid: string; readonly reason: string; readonly message: string }
  /** Asks for the pod's deletion. */
  | { readonly action: "evict"; readonly uid: string; readonly gracePeriodSeconds: number }
  /** Readiness of the pod as a whole; absent: as its containers. */
  | { readonly action: "ready"; readonly uid: string; readonly ready?: boolean | undefined };

export interface StopOrder {
  readonly gracePeriodSeconds: number;
  readonly failure?: PodFailure | undefined;
}

export interface BackendConnection {
  create(request: PodRequest, hostIPs: readonly string[] | undefined, signal: AbortSignal): Promise<CreateOutcome>;
  update(request: PodRequest, signal: AbortSignal): Promise<void>;
  delete(owner: PodOwner, gracePeriodSeconds: number, signal: AbortSignal): Promise<void>;
  /** Stops the pod for good and keeps it. */
  stop(owner: PodOwner, order: StopOrder, signal: AbortSignal): Promise<void>;
  get(uid: string, signal: AbortSignal): Promise<PodReport>;
  /** What the pod's running containers use now. */
  usage(uid: string, signal: AbortSignal): Promise<readonly ContainerUsage[]>;
  /** What all running containers of the node's pods use now. */
  usages(node: string, signal: AbortSignal): Promise<readonly PodUsage[]>;
  /** The runs of the pod's containers. */
  runs(uid: string, signal: AbortSignal): Promise<readonly ContainerRuns[]>;
  list(node: string, signal: AbortSignal): Promise<readonly PodReport[]>;
  /** Watches from the call on, not only from the first value asked for; ends quietly when the signal aborts. */
  watch(node: string, signal: AbortSignal): AsyncIterable<PodUpdate>;
  ping(signal: AbortSignal): Promise<void>;
  act(action: BackendAction, signal: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export function performAction(backend: MockBackend, action: BackendAction): void {
  switch (action.action) {
    case "lose":
      backend.lose(action.uid);
      break;
    case "remove":
      backend.remove(action.uid);
      break;
    case "exit":
      backend.exitContainer(action.uid, action.container, action.exitCode);
      break;
    case "fail":
      backend.failPod(action.uid, action.reason, action.message);
      break;
    case "evict":
      backend.evictPod(action.uid, action.gracePeriodSeconds);
      break;
    case "ready":
      backend.setPodReady(action.uid, action.ready);
      break;
  }
}

/** A backend in this process. Closing the connection closes the backend when it is its own. */
export function localConnection(backend: MockBackend, ownsBackend: boolean): BackendConnection {
  const checked = async <T>(signal: AbortSignal, work: () => T): Promise<T> => {
    throwIfAborted(signal);
    return work();
  };
  return {
    create: (request, hostIPs, signal) => checked(signal, () => backend.create(request, hostIPs)),
    update: (request, signal) => checked(signal, () => backend.update(request)),
    delete: (owner, grace, signal) => checked(signal, () => backend.delete(owner.uid, grace)),
    stop: (owner, { gracePeriodSeconds, failure }, signal) =>
      checked(signal, () => backend.stop(owner.uid, gracePeriodSeconds, failure)),
    get: (uid, signal) => checked(signal, () => backend.get(uid)),
    usage: (uid, signal) => checked(signal, () => backend.usage(uid)),
    usages: (node, signal) => checked(signal, () => backend.usages(node)),
    runs: (uid, signal) => checked(signal, () => backend.runs(uid)),
    list: (node, signal) => checked(signal, () => backend.list(node)),
    watch: (node, signal) => watchBackend(backend, node, signal),
    ping: (signal) => checked(signal, () => {}),
    act: (action, signal) => checked(signal, () => performAction(backend, action)),
    close: async () => {
      if (ownsBackend) backend.close();
    },
  };
}

/** The changes of a node's pods from now on: the latest report of each pod, and its end. Holds one entry per pod. */
export function watchBackend(backend: MockBackend, node: string, signal: AbortSignal): AsyncIterable<PodUpdate> {
  let wake: (() => void) | undefined;
  const pending = new Map<string, PodUpdate[]>();
  const unsubscribe = backend.subscribe(node, (update) => {
    const owner = update.type === "report" ? update.report.owner : update.owner;
    // A report gives way to a newer one, but its end leaves it: it holds the exit codes.
    const kept = (pending.get(owner.uid) ?? []).filter((old) => old.type !== update.type);
    pending.delete(owner.uid);
    pending.set(owner.uid, [...kept, update]);
    wake?.();
  });
  const stop = (): void => {
    unsubscribe();
    wake?.();
  };
  if (signal.aborted) stop();
  else signal.addEventListener("abort", stop, { once: true });
  return (async function* () {
    try {
      while (!signal.aborted) {
        const [first] = pending;
        if (first === undefined) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
          wake = undefined;
          continue;
        }
        pending.delete(first[0]);
        yield* first[1];
      }
    } finally {
      signal.removeEventListener("abort", stop);
      unsubscribe();
    }
  })();
}

export function throwIfAborted(signal: AbortSignal): void {
  if (signal.aborted) throw new VirtualKubeletError("Aborted", "the call was aborted", { cause: signal.reason });
}
