// A GroupRunner of real containers, for fakes of clouds: those of a group share the network of one that holds it, on an engine of the
// test. Their volumes are directories beside the engine's own, and go with it.
import assert from "node:assert/strict";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { connectEngine } from "../../packages/provider-containers/src/engine/connect.ts";
import { parseEndpoint } from "../../packages/provider-containers/src/engine/endpoint.ts";
import type { ContainerCreate, EngineClient } from "../../packages/provider-containers/src/engine/engine-client.ts";
import { pause, systemClock } from "../../packages/virtual-kubelet/src/clock.ts";
import { errorText, isErrorKind, VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import { silentLogger } from "../../packages/virtual-kubelet/src/log.ts";
import type { ContainerIO } from "../../packages/virtual-kubelet/src/provider/streams.ts";
import type {
  GroupRunner,
  RunnerContainer,
  RunnerGroup,
  RunnerLogLine,
  RunnerState,
  RunnerStats,
  RunningGroup,
} from "../../packages/virtual-kubelet/src/testing/group-runner.ts";
import { benchImage, type PodmanBench } from "../podman.ts";
import { PodmanGroupContainer } from "./podman-group-container.ts";

/** On each container: that it is ours, and its group. Podman filters events by whole labels alone. */
const ownLabel = "vk.test/runner";
const groupLabel = "vk.test/group";
const sweepMs = 3_000;

export class PodmanGroups implements GroupRunner {
  readonly #bench: PodmanBench;
  readonly #client: EngineClient & Disposable;
  readonly #groups = new Map<string, PodmanGroup>();
  readonly #end: AbortController = new AbortController();
  readonly #following: Promise<unknown>;

  constructor(bench: PodmanBench) {
    this.#bench = bench;
    const address = parseEndpoint(bench.endpoint, {});
    this.#client = connectEngine(address, { log: silentLogger });
    const { signal } = this.#end;
    this.#following = Promise.all([this.#follow(signal), this.#sweep(signal)]);
    // Told when it is disposed of.
    this.#following.catch(() => {});
  }

  /** IDs of groups that were not removed. */
  get ids(): readonly string[] {
    return [...this.#groups.keys()];
  }

  async create(group: RunnerGroup): Promise<RunningGroup> {
    if (this.#groups.has(group.id)) throw new VirtualKubeletError("Conflict", `there is a group ${group.id} already`);
    const signal = this.#end.signal;
    const client = this.#client;
    for (const { image } of group.containers)
      if ((await client.inspectImage(image, { signal })) === undefined)
        throw new VirtualKubeletError("NotFound", `there is no image ${image}`);
    const directory = join(this.#bench.directory, "groups", group.id);
    const common = { Labels: { [ownLabel]: "groups", [groupLabel]: group.id } };
    const infra = await client.createContainer(
      `${group.id}--infra`,
      {
        ...{ ...common, Image: benchImage, Entrypoint: ["/bin/sleep"], Cmd: ["1000000"], Hostname: group.id },
        HostConfig: { CgroupParent: `/${this.#bench.cgroupParent}` },
      },
      { signal },
    );
    const ids: string[] = [infra];
    const remove = async (): Promise<void> => {
      const options = { signal: AbortSignal.timeout(60_000) };
      // The network goes last.
      for (const id of ids.toReversed()) await client.removeContainer(id, options);
      rmSync(directory, { recursive: true, force: true });
      this.#groups.delete(group.id);
    };
    try {
      makeVolumes(directory, group);
      await client.startContainer(infra, { signal });
      const [ip] = (await client.inspectContainer(infra, { signal })).addresses;
      assert.ok(ip !== undefined, "the group has no address");
      const containers = new Map<string, PodmanGroupContainer>();
      for (const spec of group.containers) {
        const body = { ...containerBody(spec, directory, ip), ...common };
        const hostConfig = { ...body.HostConfig, NetworkMode: `container:${infra}`, UTSMode: `container:${infra}` };
        const cgroup = { CgroupParent: `/${this.#bench.cgroupParent}` };
        const whole = { ...body, HostConfig: { ...hostConfig, ...cgroup } };
        const id = await client.createContainer(`${group.id}--${spec.name}`, whole, { signal });
        ids.push(id);
        containers.set(spec.name, new PodmanGroupContainer(client, id, spec));
      }
      const made = new PodmanGroup(ip, containers, remove);
      this.#groups.set(group.id, made);
      return made;
    } catch (error) {
      await remove();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      for (const group of this.#groups.values()) await group.remove();
    } finally {
      this.#end.abort();
      await this.#following;
      this.#client[Symbol.dispose]();
    }
  }

  /** Ends of containers, as the engine tells them; what came before the connection is asked for. */
  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const events = this.#client.events([`${ownLabel}=groups`], { signal });
        for (const group of this.#groups.values()) for (const each of group.containers()) await each.look(signal);
        for await (const { action, id, attributes } of events) {
          if (action === "die")
            await this.#groups
              .get(attributes[groupLabel] ?? "")
              ?.byId(id)
              ?.look(signal);
        }
      } catch (error) {
        if (!signal.aborted && !isErrorKind(error, "Unavailable", "NotFound")) throw new Error(errorText(error));
        await pause(systemClock, 100, signal);
      }
    }
  }

  /** Ends that no event told of: what happens while a connection for events is made may be missed. */
  async #sweep(signal: AbortSignal): Promise<void> {
    for (await pause(systemClock, sweepMs, signal); !signal.aborted; await pause(systemClock, sweepMs, signal)) {
      try {
        const found = await this.#client.listContainers([`${ownLabel}=groups`], { signal });
        for (const { id, labels, state } of found)
          if (state !== "running")
            await this.#groups
              .get(labels[groupLabel] ?? "")
              ?.byId(id)
              ?.look(signal);
      } catch (error) {
        if (!signal.aborted && !isErrorKind(error, "Unavailable", "NotFound")) throw new Error(errorText(error));
      }
    }
  }
}

class PodmanGroup implements RunningGroup {
  readonly ip: string;
  readonly remove: () => Promise<void>;
  readonly #containers: ReadonlyMap<string, PodmanGroupContainer>;

  constructor(ip: string, containers: ReadonlyMap<string, PodmanGroupContainer>, remove: () => Promise<void>) {
    this.ip = ip;
    this.remove = remove;
    this.#containers = containers;
  }

  containers(): Iterable<PodmanGroupContainer> {
    return this.#containers.values();
  }

  byId(id: string): PodmanGroupContainer | undefined {
    return [...this.#containers.values()].find((container) => container.id === id);
  }

  start(container: string): Promise<void> {
    return this.#of(container).start();
  }

  state(container: string): RunnerState {
    return this.#of(container).state;
  }

  ended(container: string): Promise<RunnerState> {
    return this.#of(container).ended();
  }

  stop(container: string, graceMs: number): Promise<void> {
    return this.#of(container).stop(graceMs);
  }

  exec(container: string, command: readonly string[], io: ContainerIO, signal: AbortSignal): Promise<number> {
    return this.#of(container).exec(command, io, signal);
  }

  attach(container: string, io: ContainerIO, signal: AbortSignal): Promise<void> {
    return this.#of(container).attach(io, signal);
  }

  logs(container: string): Promise<readonly RunnerLogLine[]> {
    return this.#of(container).logs();
  }

  stats(container: string): Promise<RunnerStats> {
    return this.#of(container).stats();
  }

  #of(name: string): PodmanGroupContainer {
    const found = this.#containers.get(name);
    if (found === undefined) throw new VirtualKubeletError("NotFound", `there is no container ${name}`);
    return found;
  }
}

function makeVolumes(directory: string, { volumes }: RunnerGroup): void {
  for (const { name, files = [] } of volumes) {
    const root = join(directory, name);
    mkdirSync(root, { recursive: true, mode: 0o777 });
    for (const { path, mode, data } of files) {
      mkdirSync(dirname(join(root, path)), { recursive: true });
      writeFileSync(join(root, path), data, { mode });
    }
  }
}

function containerBody(spec: RunnerContainer, directory: string, ip: string): Omit<ContainerCreate, "Labels"> {
  const { image, entrypoint, args, workingDir, mounts, tty, stdin, user, memoryLimit, addressEnv = [] } = spec;
  const env = { ...spec.env, ...Object.fromEntries(addressEnv.map((name) => [name, ip])) };
  return {
    Image: image,
    ...(entrypoint === undefined ? {} : { Entrypoint: entrypoint }),
    ...(args === undefined ? {} : { Cmd: args }),
    ...(workingDir === undefined ? {} : { WorkingDir: workingDir }),
    Env: Object.entries(env).map(([name, value]) => `${name}=${value}`),
    ...(user === undefined ? {} : { User: user }),
    ...(tty === true ? { Tty: true } : {}),
    ...(stdin === true ? { OpenStdin: true } : {}),
    Healthcheck: { Test: ["NONE"] },
    HostConfig: {
      Mounts: mounts.map(({ volume, path, readOnly }) => ({
        ...{ Type: "bind", Source: join(directory, volume), Target: path, ReadOnly: readOnly },
      })),
      ...(memoryLimit === undefined ? {} : { Memory: memoryLimit, MemorySwap: memoryLimit }),
      LogConfig: { Type: "k8s-file", Config: {} },
    },
  };
}
