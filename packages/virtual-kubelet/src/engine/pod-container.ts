// The containers of a pod as the engine deals with them: by role and place, from the request, or from what was noted with
// their runs while nobody has said again what the pod is to be.
import { createHash } from "node:crypto";
import type { Container, EphemeralContainer, PodSpec } from "../kube/types.gen.ts";
import type { PodRequest } from "../provider/pods.ts";
import type { ResolvedContainer } from "../resolved-pod.ts";
import { isSidecar } from "../status/restart-policy.ts";
import type { RuntimeContainer } from "./container-runtime.ts";
import { type ContainerRole, runNotes } from "./run-notes.ts";

export interface PodContainer {
  readonly name: string;
  readonly role: ContainerRole;
  /** Place in its list of the spec. */
  readonly index: number;
  readonly container: Container;
  /** Undefined when only the notes of its runs tell of it. */
  readonly resolved: ResolvedContainer | undefined;
  /** For ephemeral containers: whose processes it sees. */
  readonly target?: string | undefined;
  /** Names image and resources, for the back-off. */
  readonly backoffKey: string;
}

/** Init containers, main ones, ephemeral ones; each in the order of the spec. */
export function containersOf(request: PodRequest): readonly PodContainer[] {
  const spec: PodSpec = request.pod.spec ?? { containers: [] };
  const resolved = new Map(request.resolved?.containers.map((one) => [one.name, one]));
  const make = (container: Container | EphemeralContainer, role: ContainerRole, index: number): PodContainer => ({
    name: container.name,
    role,
    index,
    container,
    resolved: resolved.get(container.name) ?? bySpec(container),
    target: "targetContainerName" in container ? container.targetContainerName : undefined,
    backoffKey: shortHash(JSON.stringify([container.image, container.resources])),
  });
  return [
    ...(spec.initContainers ?? []).map((one, index) => make(one, isSidecar(one) ? "sidecar" : "init", index)),
    ...spec.containers.map((one, index) => make(one, "main", index)),
    ...(spec.ephemeralContainers ?? []).map((one, index) => make(one, "ephemeral", index)),
  ];
}

/** What runs tell of the containers that they are of. */
export function containersByRuns(runs: readonly RuntimeContainer[]): readonly PodContainer[] {
  const newest = new Map<string, RuntimeContainer>();
  for (const run of runs) if ((newest.get(run.name)?.attempt ?? -1) < run.attempt) newest.set(run.name, run);
  return [...newest.values()]
    .map((run): PodContainer => {
      const { role, index, container, backoffKey } = runNotes(run);
      return { name: run.name, role, index, container, resolved: undefined, backoffKey };
    })
    .sort((a, b) => order.indexOf(a.role) - order.indexOf(b.role) || a.index - b.index);
}

const order: readonly ContainerRole[] = ["init", "sidecar", "main", "ephemeral"];

/** What a spec says by itself, for a request that was not resolved. */
function bySpec(container: Container | EphemeralContainer): ResolvedContainer {
  const { name, image = "", command, args, env, volumeMounts, imagePullPolicy } = container;
  return {
    name,
    image,
    imagePullPolicy: imagePullPolicy === "Always" || imagePullPolicy === "Never" ? imagePullPolicy : "IfNotPresent",
    command,
    args,
    env: (env ?? []).flatMap((one) => (one.value === undefined ? [] : [{ name: one.name, value: one.value }])),
    mounts: (volumeMounts ?? []).map((mount) => ({
      volume: mount.name,
      mountPath: mount.mountPath,
      subPath: mount.subPath,
      readOnly: mount.readOnly ?? false,
    })),
  };
}

function shortHash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 12);
}
