// One control group for each pod, above those of its containers: limits of the whole pod, which a container of many small ones
// cannot pass either. Its containers' groups are the engine's.
import { existsSync, readdirSync, rmdirSync } from "node:fs";
import { dirname, join } from "node:path";
import {
  errorText,
  type ResourceRequirements,
  type SandboxSpec,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import {
  type CgroupFigures,
  type CgroupHost,
  cgroupFigures,
  limitCgroups,
  makeCgroups,
} from "@virtual-kubelet/virtual-kubelet/host";

export interface PodGroupsOptions {
  /** undefined: there are none that we may make. */
  readonly host: CgroupHost | undefined;
  /** Below the hierarchies' roots; of this node alone. */
  readonly parent: string;
  /** Processes and threads of one pod; 0: no limit. */
  readonly pidsLimit: number;
}

export class PodGroups {
  readonly #options: PodGroupsOptions;

  constructor(options: PodGroupsOptions) {
    this.#options = options;
  }

  get available(): boolean {
    return this.#options.host !== undefined;
  }

  /** Of the whole node's pods: what the node does not keep for itself. */
  limitNode(resources: ResourceRequirements): void {
    const { host, parent } = this.#options;
    if (host === undefined) return;
    makeCgroups(host, parent, resources);
  }

  /** Idempotent; the path below the hierarchies' roots. */
  make({ owner, resources = {} }: Pick<SandboxSpec, "owner" | "resources">): string | undefined {
    const { host, pidsLimit } = this.#options;
    if (host === undefined) return undefined;
    const path = this.#path(owner.uid);
    try {
      limitCgroups(makeCgroups(host, path, resources), resources, pidsLimit);
    } catch (cause) {
      throw new VirtualKubeletError("Unavailable", `the pod has no control group: ${errorText(cause)}`, { cause });
    }
    return `/${path}`;
  }

  /** Of one that is there. Throws Unavailable where more is in use than is to be the limit. */
  resize(uid: string, resources: ResourceRequirements): void {
    const groups = this.#directories(this.#path(uid)).filter((group) => existsSync(group));
    try {
      limitCgroups(groups, resources);
    } catch (cause) {
      throw new VirtualKubeletError("Unavailable", `the pod's limits cannot be changed: ${errorText(cause)}`, {
        cause,
      });
    }
  }

  figures(uid: string): CgroupFigures | undefined {
    const groups = this.#directories(this.#path(uid)).filter((group) => existsSync(group));
    return groups.length === 0 ? undefined : cgroupFigures(groups);
  }

  /** No error when it is gone, nor where the engine still has something in it: the sweep comes by again. */
  remove(uid: string): void {
    for (const group of this.#everywhere(this.#path(uid))) removeBelow(group);
  }

  /** Removes the groups of pods that nobody knows of any more. */
  sweep(known: ReadonlySet<string>): void {
    for (const group of this.#everywhere(this.#options.parent))
      for (const name of childrenOf(group))
        if (name.startsWith(prefix) && !known.has(name.slice(prefix.length))) removeBelow(join(group, name));
  }

  /** Of the node, when it has no pods any more. */
  removeAll(): void {
    this.sweep(new Set());
    for (const group of this.#everywhere(this.#options.parent))
      for (const each of [group, dirname(group)]) removeOne(each);
  }

  #path(uid: string): string {
    return `${this.#options.parent}/${prefix}${uid}`;
  }

  #directories(path: string): readonly string[] {
    const { host } = this.#options;
    if (host === undefined) return [];
    const mounts = host.version === 2 ? [host.mount] : [...new Set(Object.values(host.mounts))];
    return mounts.map((mount) => join(mount, path));
  }

  /** With the hierarchies that we put nothing into: engines make the path of a pod in all there are, and leave it. */
  #everywhere(path: string): readonly string[] {
    const { host } = this.#options;
    if (host?.version !== 1) return this.#directories(path);
    const hierarchies = dirname(host.mounts.memory);
    const all = childrenOf(hierarchies).map((name) => join(hierarchies, name, path));
    return [...new Set([...this.#directories(path), ...all])];
  }
}

const prefix = "pod";

/** Engines leave empty groups there now and then. One with processes stays, and so do those above it. */
function removeBelow(group: string): void {
  for (const name of childrenOf(group)) removeBelow(join(group, name));
  removeOne(group);
}

function removeOne(group: string): void {
  try {
    rmdirSync(group);
  } catch {
    // Gone, or in use.
  }
}

function childrenOf(group: string): readonly string[] {
  try {
    return readdirSync(group, { withFileTypes: true }).flatMap((each) => (each.isDirectory() ? [each.name] : []));
  } catch {
    return [];
  }
}
