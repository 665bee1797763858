// An engine in memory over a registry in memory, as far as images go; tests say what is in either, and see who was asked.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { ImageDetails, RegistryAuth } from "../engine/engine-client.ts";
import type { ImageEngine } from "../images.ts";

export const GiB: number = 2 ** 30;

interface Published {
  readonly id: string;
  /** Who may have it; absent: everybody. */
  readonly users?: readonly string[];
}

export class MemoryImageEngine {
  /** By name with tag. */
  readonly registry: Map<string, Published> = new Map();
  /** By id. */
  readonly images: Map<string, ImageDetails> = new Map();
  /** Image ids of containers. */
  readonly containers: string[] = [];
  readonly pulls: string[] = [];
  /** Held until they are let go. */
  hold: Promise<void> | undefined;
  countsContainers: boolean = true;
  /** How often its images were listed. */
  looks: number = 0;
  /** Pulls side by side: now, and the most there were. */
  running: number = 0;
  most: number = 0;
  disk: { readonly totalBytes: number; readonly availableBytes: number } = {
    totalBytes: 100 * GiB,
    availableBytes: 50 * GiB,
  };

  put(id: string, tags: readonly string[], size: number = GiB): void {
    const rest = { user: "", entrypoint: [], cmd: [], stopSignal: "", architecture: "amd64" };
    this.images.set(id, { id, tags, digests: tags.map((tag) => `${tag.replace(/:[^/]*$/, "")}@${id}`), size, ...rest });
  }

  get tags(): readonly string[] {
    return [...this.images.values()].flatMap(({ id, tags }) => (tags.length === 0 ? [id] : tags)).sort();
  }

  readonly client: ImageEngine = {
    address: { type: "unix", path: "/engine.sock" },
    info: async () => ({
      ...{ flavour: "podman", version: "4", apiVersion: "1.41", kernelVersion: "", operatingSystem: "" },
      ...{ architecture: "amd64", cpus: 1, memory: 1, cgroupVersion: 2, cgroupDriver: "cgroupfs" },
      ...{ rootDirectory: "/engine", defaultRegistry: "", rootless: false, securityOptions: [] },
    }),
    inspectImage: async (name) =>
      [...this.images.values()].find(({ id, tags }) => id === name || tags.some((tag) => tag.endsWith(name))),
    listImages: async () => {
      this.looks += 1;
      return [...this.images.values()].map(({ id, tags, digests, size }) => ({
        ...{ id, tags, digests, size, createdAt: 0 },
        containers: this.countsContainers ? this.containers.filter((one) => one === id).length : -1,
      }));
    },
    listContainers: async () => this.containers.map((_, index) => ({ id: `${index}`, labels: {}, state: "running" })),
    inspectContainer: async (id) => ({
      ...{ id, labels: {}, state: "running", name: id, createdAt: 0, running: true, exitCode: 0, oomKilled: false },
      ...{ error: "", pid: 1, image: "", imageID: this.containers[Number(id)] ?? "", addresses: [], logPath: "" },
      ...{ logDriver: "", tty: false, openStdin: false, cgroupPath: "", restartCount: 0 },
    }),
    pullImage: (name, auth, { signal }) => this.#pull(name, auth, signal),
    removeImage: async (name) => {
      for (const [id, image] of this.images) {
        if (id !== name && !image.tags.includes(name)) continue;
        const tags = image.tags.filter((tag) => tag !== name);
        if (tags.length > 0) this.images.set(id, { ...image, tags });
        else if (this.containers.includes(id)) throw new VirtualKubeletError("Conflict", "in use");
        else this.images.delete(id);
      }
    },
  };

  async #pull(name: string, auth: RegistryAuth | undefined, signal: AbortSignal): Promise<void> {
    this.pulls.push(`${name} ${auth?.username ?? "nobody"}`);
    this.running += 1;
    this.most = Math.max(this.most, this.running);
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    aborted.catch(() => undefined);
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
    try {
      await Promise.race([this.hold, aborted]);
      const found = this.registry.get(name);
      if (found?.users !== undefined && !found.users.includes(auth?.username ?? ""))
        throw new VirtualKubeletError("Unauthorized", "authentication required");
      if (found === undefined) throw new VirtualKubeletError("NotFound", "manifest unknown");
      for (const [id, image] of this.images)
        this.images.set(id, { ...image, tags: image.tags.filter((tag) => tag !== name) });
      this.put(found.id, [...(this.images.get(found.id)?.tags ?? []), name]);
    } finally {
      this.running -= 1;
    }
  }
}
