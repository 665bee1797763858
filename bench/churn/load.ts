// The load of the churn bench: makes pods that are bound already, watches them to Running and to gone, and can play the
// smallest kubelet there is (one Running status, one terminal status, one DELETE per pod), which is the ceiling.
import type { KubeClient, Pod } from "@virtual-kubelet/virtual-kubelet";
import { pods, type Stored } from "@virtual-kubelet/virtual-kubelet";

export interface LoadOptions {
  readonly client: KubeClient;
  readonly node: string;
  readonly count: number;
  /** Requests of the load tool in flight. */
  readonly concurrency: number;
  /** Play the kubelet too. */
  readonly kubelet: boolean;
}

export interface PhaseFigures {
  readonly perSecond: number;
  readonly p50: number;
  readonly p99: number;
}

export interface LoadFigures {
  readonly running: PhaseFigures;
  readonly gone: PhaseFigures;
  /** Watches of the load tool that the server ended for being slow. */
  readonly watchesEnded: number;
}

const limitMs = 300_000;

export async function runLoad(
  options: LoadOptions,
  onPhase: (phase: "running" | "gone") => Promise<void>,
): Promise<LoadFigures> {
  const { client, node, count, kubelet } = options;
  const end = new AbortController();
  const running = new Map<string, number>();
  const gone = new Map<string, number>();
  const wake = new Set<() => void>();
  const kubeletWork: Promise<void>[] = [];
  let watchesEnded = 0;
  let version = (await client.list(pods, { fieldSelector: `spec.nodeName=${node}` })).resourceVersion;
  const seen = (type: string, object: Stored<Pod>): void => {
    const { name } = object.metadata;
    if (type === "DELETED") gone.set(name, performance.now());
    else if (object.status?.phase === "Running" && !running.has(name)) running.set(name, performance.now());
    if (kubelet) kubeletWork.push(play(client, type, object));
    for (const look of wake) look();
  };
  // Under load the server ends a watch that it thinks slow; it goes on where it was.
  const watch = async (): Promise<void> => {
    while (!end.signal.aborted) {
      const options = { fieldSelector: `spec.nodeName=${node}`, resourceVersion: version, signal: end.signal };
      for await (const event of client.watch(pods, options)) {
        version = event.type === "BOOKMARK" ? event.resourceVersion : event.object.metadata.resourceVersion;
        if (event.type !== "BOOKMARK") seen(event.type, event.object);
      }
      if (!end.signal.aborted) watchesEnded += 1;
    }
  };
  const watching = watch().catch((error: unknown) => {
    if (!end.signal.aborted) throw error;
  });
  const until = async (done: () => boolean): Promise<void> => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const look = (): void => {
      if (done()) resolve();
    };
    const timer = setTimeout(() => reject(new Error(`only ${running.size} Running, ${gone.size} gone`)), limitMs);
    wake.add(look);
    look();
    await Promise.race([promise, watching]);
    clearTimeout(timer);
    wake.delete(look);
  };

  const names = Array.from({ length: count }, (_, index) => `churn-${index}`);
  await onPhase("running");
  const created = await eachTimed(names, options.concurrency, (name) => client.create(pods, podOf(name, node)));
  await until(() => running.size >= count);
  await onPhase("gone");
  const deleted = await eachTimed(names, options.concurrency, (name) =>
    client.delete(pods, { namespace: "default", name }),
  );
  await until(() => gone.size >= count);
  end.abort();
  await watching;
  await Promise.all(kubeletWork);
  return { running: figures(created, running), gone: figures(deleted, gone), watchesEnded };
}

function podOf(name: string, node: string): Pod {
  return {
    metadata: { name, namespace: "default", labels: { app: "churn" } },
    spec: {
      nodeName: node,
      automountServiceAccountToken: false,
      terminationGracePeriodSeconds: 30,
      tolerations: [{ operator: "Exists" }],
      containers: [{ name: "main", image: "example/app:1", resources: { requests: { cpu: "1m", memory: "1Mi" } } }],
    },
  };
}

/** Starts `work` for every name, so many at a time; when each began. */
async function eachTimed(
  names: readonly string[],
  concurrency: number,
  work: (name: string) => Promise<unknown>,
): Promise<ReadonlyMap<string, number>> {
  const began = new Map<string, number>();
  const queue = names[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const name of queue) {
      began.set(name, performance.now());
      await work(name);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, worker));
  return began;
}

function figures(began: ReadonlyMap<string, number>, ended: ReadonlyMap<string, number>): PhaseFigures {
  const latencies = [...began]
    .map(([name, at]) => (ended.get(name) ?? Number.POSITIVE_INFINITY) - at)
    .sort((a, b) => a - b);
  const span = Math.max(...ended.values()) - Math.min(...began.values());
  const at = (share: number): number =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))] ?? 0;
  return { perSecond: (began.size / span) * 1000, p50: at(0.5) / 1000, p99: at(0.99) / 1000 };
}

/** The smallest kubelet. */
async function play(client: KubeClient, type: string, pod: Stored<Pod>): Promise<void> {
  const { namespace, name, uid, deletionTimestamp } = pod.metadata;
  const ref = { namespace, name };
  const phase = pod.status?.phase ?? "Pending";
  if (type === "ADDED")
    await client.patchMeta(pods, ref, "strategic", status(uid, "Running"), { subresource: "status" });
  else if (type === "MODIFIED" && deletionTimestamp !== undefined && phase === "Running") {
    await client.patchMeta(pods, ref, "strategic", status(uid, "Succeeded"), { subresource: "status" });
    await client.delete(pods, ref, { gracePeriodSeconds: 0, uid });
  }
}

function status(uid: string, phase: "Running" | "Succeeded"): unknown {
  const now = new Date().toISOString().replace(/\.\d+Z/, "Z");
  const isRunning = phase === "Running";
  const condition = (type: string, value: boolean) => ({
    type,
    status: value ? "True" : "False",
    lastTransitionTime: now,
  });
  return {
    metadata: { uid },
    status: {
      phase,
      ...(isRunning
        ? {
            startTime: now,
            hostIP: "10.0.0.1",
            hostIPs: [{ ip: "10.0.0.1" }],
            podIP: "10.1.0.1",
            podIPs: [{ ip: "10.1.0.1" }],
          }
        : {}),
      conditions: [
        condition("PodReadyToStartContainers", isRunning),
        condition("Initialized", true),
        condition("Ready", isRunning),
        condition("ContainersReady", isRunning),
      ],
      containerStatuses: [
        {
          name: "main",
          image: "example/app:1",
          imageID: "example/app@sha256:0000000000000000000000000000000000000000000000000000000000000000",
          containerID: `ceiling://${uid}`,
          ready: isRunning,
          started: isRunning,
          restartCount: 0,
          state: isRunning
            ? { running: { startedAt: now } }
            : { terminated: { exitCode: 0, reason: "Completed", startedAt: now, finishedAt: now } },
        },
      ],
    },
  };
}
