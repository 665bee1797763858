// The history of every pod as the API told it, and what is wrong with it whatever happened: phases that went back, ends that changed.
import type { KubeClient } from "../packages/virtual-kubelet/src/kube/client.ts";
import { Informer } from "../packages/virtual-kubelet/src/kube/informer.ts";
import { pods, type Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";

interface Told {
  readonly name: string;
  /** Phase, with the reason where there is one, each time it changed. */
  readonly phases: string[];
  /** Status changes seen. */
  statuses: number;
  last: Stored<Pod>;
  deleted: boolean;
  deletedUnseen: boolean;
}

/** What the API said of every pod, change by change, from `recordHistory` on. */
export interface History extends AsyncDisposable {
  readonly byUid: ReadonlyMap<string, Told>;
  /** Faults that no chaos excuses: phases that went back, ends that changed, pods deleted without a final status. */
  faults(): readonly string[];
  stop(): Promise<void>;
}

export async function recordHistory(client: KubeClient): Promise<History> {
  const byUid = new Map<string, Told>();
  const end = new AbortController();
  const informer = new Informer<Pod>({
    client,
    resource: pods,
    namespace: "default",
    onChange: (change) => {
      const { object } = change;
      const { name, uid } = object.metadata;
      let told = byUid.get(uid);
      if (told === undefined) {
        told = { name, phases: [], statuses: 0, last: object, deleted: false, deletedUnseen: false };
        byUid.set(uid, told);
      }
      const status = JSON.stringify(object.status);
      if (status !== JSON.stringify(told.last.status)) told.statuses += 1;
      told.last = object;
      const phase = [object.status?.phase, object.status?.reason].filter((part) => part !== undefined).join(" ");
      if (told.phases.at(-1) !== phase) told.phases.push(phase);
      if (change.type !== "deleted") return;
      told.deleted = true;
      told.deletedUnseen = change.finalStateUnknown;
    },
  });
  const running = informer.run(end.signal);
  await informer.synced;
  const stop = async (): Promise<void> => {
    end.abort();
    await running;
  };
  return {
    byUid,
    faults: () =>
      [...byUid].flatMap(([uid, told]) => [...historyFaults(told)].map((fault) => `${told.name} (${uid}): ${fault}`)),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

const rank: Readonly<Record<string, number>> = { Pending: 0, Running: 1, Succeeded: 2, Failed: 2 };

function* historyFaults({ phases, last, deleted, deletedUnseen }: Told): Iterable<string> {
  const story = phases.join(" -> ");
  const ranks = phases.map((phase) => rank[phase.split(" ")[0] ?? ""] ?? Number.NaN);
  for (const [index, value] of ranks.entries()) {
    const before = ranks[index - 1];
    if (before === undefined) continue;
    if (before > value) yield `went back: ${story}`;
    if (before === 2) yield `changed after its end: ${story}`;
  }
  // The scheduler's and a force deletion end a pod without the kubelet's word.
  const graceful = (last.metadata.deletionGracePeriodSeconds ?? 0) > 0 || ranks.at(-1) === 2;
  if (deleted && !deletedUnseen && graceful && ranks.at(-1) !== 2) yield `deleted without a final status: ${story}`;
}
