// The end of a trial, in its order: what runs on the nodes, the nodes, what else was made. Every fault is told, and none keeps
// the rest from being done.
import { globSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import {
  daemonSets,
  deployments,
  jobs,
  type KubeObject,
  nodes,
  pods,
  type Resource,
  replicaSets,
  type Stored,
  statefulSets,
} from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { ClusterWatch } from "./cluster-watch.ts";
import type { TrialOptions } from "./options.ts";
import type { Place } from "./place.ts";
import type { RunningNode } from "./running-node.ts";
import { type CreatedObject, deleteSample } from "./sample.ts";

export interface CleanUpInput {
  readonly place: Place;
  readonly options: TrialOptions;
  readonly watch: ClusterWatch;
  readonly node: RunningNode;
  readonly created: readonly CreatedObject[];
  /** The provider's; it is empty of pods when all of them are gone. */
  readonly state: string;
  readonly fail: (message: string) => void;
}

/** Longer than the usual grace. */
const podsLimitMs = 45_000;
const stateLimitMs = 15_000;

export async function cleanUp(input: CleanUpInput): Promise<void> {
  const { place, options, watch, fail } = input;
  const attempt = async (work: () => Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      fail(errorText(error));
    }
  };
  // Simulated pods of a cluster of our own end with this process; all others are ended by their node.
  if (place.kind === "foreign") {
    await attempt(() => removeSample(input));
    if (options.provider !== "mock") await attempt(() => drain(place.client, watch));
  } else if (options.provider !== "mock") await attempt(() => removeAllPods(place.client, watch));
  if (options.provider !== "mock") await attempt(() => stateEmpty(input.state));
  await attempt(() => stopNode(input));
}

async function removeSample({ place, watch, created }: CleanUpInput): Promise<void> {
  await deleteSample(place.client, created);
  if (created.length > 0) await podsGone(watch, () => watch.samplePods);
}

async function podsGone(watch: ClusterWatch, left: () => number): Promise<void> {
  try {
    await watch.until(() => left() === 0, AbortSignal.timeout(podsLimitMs));
  } catch {
    throw new VirtualKubeletError(
      "Unavailable",
      `${left()} pods are still there ${podsLimitMs / 1000} s after their deletion`,
    );
  }
}

/** Providers put away what a pod had on the host after its object is gone: that takes a moment. */
async function stateEmpty(state: string): Promise<void> {
  for (const deadline = performance.now() + stateLimitMs; ; await sleep(50)) {
    const left = globSync("*/pods/*", { cwd: state });
    if (left.length === 0) return;
    if (performance.now() > deadline)
      throw new VirtualKubeletError("Unavailable", `the provider has not put away ${left.join(", ")} in ${state}`);
  }
}

/** Those who make pods first; then whatever pods there are. */
async function removeAllPods(client: KubeClient, watch: ClusterWatch): Promise<void> {
  for (const makers of [[deployments, jobs, daemonSets, statefulSets], [replicaSets], [pods]] as const) {
    await Promise.all(makers.map((resource) => removeAll(client, resource)));
  }
  await podsGone(watch, () => watch.boundPods.length);
}

/** What others brought to the nodes goes where it came from, as far as that does not bring it back at once. */
async function drain(client: KubeClient, watch: ClusterWatch): Promise<void> {
  const movable = (): readonly Stored<Pod>[] =>
    watch.boundPods.filter(({ metadata }) => !metadata.ownerReferences?.some(({ kind }) => kind === "DaemonSet"));
  if (movable().length === 0) return;
  for (const { metadata } of watch.nodes)
    await client.patchMeta(nodes, { name: metadata.name }, "strategic", { spec: { unschedulable: true } });
  await Promise.allSettled(
    movable().map(({ metadata: { name, namespace, uid } }) => client.delete(pods, { name, namespace }, { uid })),
  );
  await podsGone(watch, () => movable().length);
}

async function removeAll(client: KubeClient, resource: Resource<KubeObject>): Promise<void> {
  const { items } = await client.list(resource);
  await Promise.allSettled(
    items.map(({ metadata: { name, namespace } }) =>
      client.delete(
        resource,
        { name, namespace },
        { propagationPolicy: "Background", ...(resource.plural === "pods" ? { gracePeriodSeconds: 3 } : {}) },
      ),
    ),
  );
}

async function stopNode({ node, watch, place, fail }: CleanUpInput): Promise<void> {
  const inTime = await node.stop(15_000);
  if (!inTime) fail("the program did not end within 15 s");
  if (place.kind !== "foreign" || watch.nodes.length === 0) return;
  try {
    await watch.until(() => watch.nodes.length === 0, AbortSignal.timeout(inTime ? 5000 : 1000));
  } catch {
    const names = watch.nodes.map(({ metadata }) => metadata.name).join(" ");
    throw new VirtualKubeletError("Unavailable", `still there: \`kubectl delete node ${names}\` deletes it`);
  }
}
