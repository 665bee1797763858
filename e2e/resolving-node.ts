// A node whose provider wants its pods resolved and keeps what it was given: a mock with a record.
import { setTimeout as sleep } from "node:timers/promises";
import { configMaps, events, pods, type Stored, secrets } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Container, Event, Pod, PodSpec } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import type { PodOwner } from "../packages/virtual-kubelet/src/provider/pods.ts";
import type { Provider } from "../packages/virtual-kubelet/src/provider.ts";
import type { LateText, ResolvedPod, ResolvedVolume } from "../packages/virtual-kubelet/src/resolved-pod.ts";
import type { VirtualNode } from "../packages/virtual-kubelet/src/virtual-kubelet-options.ts";
import { eventually, type Harness, podObject } from "./harness.ts";
import { mockNode } from "./mock-node.ts";

export interface Handed {
  readonly owner: PodOwner;
  /** Epoch ms. */
  readonly at: number;
  readonly volumes: readonly ResolvedVolume[];
}

export class ResolvingNode {
  readonly virtual: VirtualNode;
  readonly created: Map<string, { readonly at: number; readonly resolved: ResolvedPod | undefined }>;
  readonly updated: Handed[];

  constructor(virtual: VirtualNode, created: ResolvingNode["created"], updated: Handed[]) {
    this.virtual = virtual;
    this.created = created;
    this.updated = updated;
  }

  /** What the pod of this name was created with. */
  resolved(name: string, deadlineMs = 15_000): Promise<ResolvedPod> {
    return eventually(`${name} is created`, deadlineMs, () => this.created.get(name)?.resolved);
  }

  /** The file's text as the backend has it now. */
  file(name: string, volume: string, path: string): string | undefined {
    const updates = this.updated.filter(({ owner }) => owner.name === name).flatMap(({ volumes }) => volumes);
    const all = [...(this.created.get(name)?.resolved?.volumes ?? []), ...updates];
    const last = all.findLast((each) => each.name === volume);
    const data = last?.type === "files" ? last.files.find((file) => file.path === path)?.data : undefined;
    return data === undefined ? undefined : Buffer.from(data).toString("utf8");
  }
}

export async function resolvingNode(name: string): Promise<ResolvingNode> {
  const { virtual, provider } = await mockNode(name);
  const created: ResolvingNode["created"] = new Map();
  const updated: Handed[] = [];
  const recording: Provider = {
    ...provider,
    capabilities: { ...provider.capabilities, resolve: true },
    createPod: async (request, context) => {
      await sleep(0);
      await provider.createPod(request, context);
      created.set(request.owner.name, { at: Date.now(), resolved: request.resolved });
    },
    updateVolumes: async (owner, volumes) => {
      updated.push({ owner, at: Date.now(), volumes });
    },
  };
  return new ResolvingNode({ ...virtual, provider: recording }, created, updated);
}

/** Late parts as `<status.podIP>`, one for a list as `<status.podIPs>`. */
export function shown(text: LateText | undefined): string | undefined {
  if (text === undefined || typeof text === "string") return text;
  return text
    .map((part) => {
      if (typeof part === "string") return part;
      if ("fieldPath" in part) return `<${part.fieldPath}>`;
      return "fileKey" in part ? `<${part.fileKey.key}>` : `<status.podIPs>${part.afterEachPodIP}`;
    })
    .join("");
}

/** ConfigMaps, Secrets and pods for them, in namespace default. */
export class ResolvingCluster {
  readonly #harness: Harness;

  constructor(harness: Harness) {
    this.#harness = harness;
  }

  async configMap(name: string, data: Readonly<Record<string, string>>): Promise<void> {
    await this.#harness.client.create(configMaps, { metadata: { name, namespace: "default" }, data });
  }

  async secret(name: string, data: Readonly<Record<string, string>>, type = "Opaque"): Promise<void> {
    const encoded = Object.fromEntries(Object.entries(data).map(([key, value]) => [key, base64(value)]));
    await this.#harness.client.create(secrets, { metadata: { name, namespace: "default" }, type, data: encoded });
  }

  async run(
    name: string,
    node: string,
    container: Partial<Container>,
    spec: Partial<PodSpec> = {},
  ): Promise<Stored<Pod>> {
    const containers = [{ name: "main", image: "example.com/app:1", ...container }];
    return await this.#harness.client.create(pods, podObject(name, { spec: { ...spec, nodeName: node, containers } }));
  }

  async eventsOf(pod: string): Promise<readonly Event[]> {
    const { items } = await this.#harness.client.list(events, {
      namespace: "default",
      fieldSelector: `involvedObject.name=${pod}`,
    });
    return items;
  }
}

export const base64 = (text: string): string => Buffer.from(text).toString("base64");

export function environment(resolved: ResolvedPod, container = "main"): Readonly<Record<string, string | undefined>> {
  const found = resolved.containers.find((each) => each.name === container);
  return Object.fromEntries((found?.env ?? []).map(({ name, value }) => [name, shown(value)]));
}
