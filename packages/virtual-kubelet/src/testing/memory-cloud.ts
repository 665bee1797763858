// A cloud in memory for tests of CloudProvider: groups whose containers run until they are told to end, or end by their image
// ("exit-3"), or never begin ("never"). It counts calls, fails on request, shows a group late, and lists without containers if it is to.
import { type Clock, systemClock } from "../clock.ts";
import type {
  CloudBackend,
  CloudEvent,
  CloudGroup,
  CreateNote,
  GroupContainer,
  GroupRef,
} from "../cloud/cloud-backend.ts";
import type { ProbeType } from "../engine/probe-results.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { Container, ContainerState } from "../kube/types.gen.ts";
import type { ContainerReport, PodFailure, PodRequest } from "../provider/pods.ts";
import type { ContainerIO, ExecResult } from "../provider/streams.ts";

interface MemoryContainer {
  readonly spec: Container;
  state: ContainerState;
  lastState?: ContainerState | undefined;
  restarts: number;
  /** What commands in this run of it answer. */
  exitCode: number;
}

interface MemoryGroup {
  readonly request: PodRequest;
  readonly id: string;
  readonly ip: string;
  readonly createdAt: number;
  readonly containers: MemoryContainer[];
  readonly events: CloudEvent[];
  revision: string;
  failure: PodFailure | undefined;
  stopped: boolean;
}

export interface MemoryCloudOptions {
  readonly describeAtOnce?: number | undefined;
  /** Milliseconds from the creation until it is shown; default 0. */
  readonly shownAfterMs?: number | undefined;
  /** Listings have no containers. Default false. */
  readonly listsPartly?: boolean | undefined;
  /** Default false: TERM is CloudProvider's. */
  readonly honoursGrace?: boolean | undefined;
  /** Runs commands: each answers itself and the container's `exitCode`. Default false. */
  readonly commands?: boolean | undefined;
  /** Whatever ends begins anew, as by restartPolicy Always. Default false. */
  readonly restartsAll?: boolean | undefined;
  /** Containers heed TERM. Default true. */
  readonly heedsTerm?: boolean | undefined;
  readonly nativeProbes?: readonly ProbeType[] | undefined;
  /** Whose containers wait for ever, as those of the image "never" do. */
  readonly neverStarts?: ((request: PodRequest) => boolean) | undefined;
  /** Default: the system's. */
  readonly clock?: Clock | undefined;
  /** What becomes of each call: it may take time, and fail before or after `work`, which is its effect. Default: `work` at once. */
  readonly around?: (<T>(method: string, work: () => T) => Promise<T>) | undefined;
}

export class MemoryCloud implements CloudBackend {
  readonly type = "memory";
  readonly describeAtOnce: number;
  readonly honoursGrace: boolean;
  /** By method. */
  readonly calls: Map<string, number> = new Map();
  /** "terminate web", "remove": in their order. */
  readonly journal: string[] = [];
  /** Thrown by the method until it is taken out. */
  readonly faults: Map<string, VirtualKubeletError> = new Map();
  declare readonly exec?: NonNullable<CloudBackend["exec"]>;
  readonly #options: MemoryCloudOptions;
  readonly #clock: Clock;
  /** By UID: how often a group was made for it. */
  readonly made: Map<string, number> = new Map();
  readonly #groups = new Map<string, MemoryGroup>();
  #made = 0;

  constructor(options: MemoryCloudOptions = {}) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.describeAtOnce = options.describeAtOnce ?? 10;
    this.honoursGrace = options.honoursGrace ?? false;
    if (options.commands === true) Object.assign(this, { exec: this.#exec.bind(this) });
  }

  get size(): number {
    return this.#groups.size;
  }

  admit({ pod }: PodRequest): void {
    if (pod.spec?.hostNetwork === true)
      throw new VirtualKubeletError("Unsupported", "no host network here", { field: "spec.hostNetwork" });
  }

  async create(request: PodRequest): Promise<{ readonly id: string; readonly notes: readonly CreateNote[] }> {
    return this.#call("create", () => {
      const { uid } = request.owner;
      const before = this.#groups.get(uid);
      if (before !== undefined) return { id: before.id, notes: [] };
      this.#made += 1;
      const now = this.#clock.now();
      const isStuck = this.#options.neverStarts?.(request) ?? false;
      const group: MemoryGroup = {
        ...{ request, id: `group/${uid}`, ip: `10.1.${this.#made >> 8}.${this.#made & 255}`, createdAt: now },
        ...{ events: [], revision: request.revision, failure: undefined, stopped: false },
        containers: containersOf(request).map((spec) => ({
          ...{ spec, restarts: 0, exitCode: 0 },
          state: isStuck || spec.image === "never" ? { waiting: { reason: "Provisioning" } } : begun(now),
        })),
      };
      this.#groups.set(uid, group);
      this.made.set(uid, (this.made.get(uid) ?? 0) + 1);
      return { id: group.id, notes: [{ eventType: "Normal", reason: "ResourcesRounded", message: "1 CPU" }] };
    });
  }

  async list(): Promise<readonly CloudGroup[]> {
    return this.#call("list", () => {
      return [...this.#groups.values()]
        .filter((group) => this.#isShown(group))
        .map((group) => {
          const whole = this.#view(group);
          return this.#options.listsPartly === true ? { ...whole, containers: [], partial: true } : whole;
        });
    });
  }

  async describe(refs: readonly GroupRef[]): Promise<readonly (CloudGroup | undefined)[]> {
    return this.#call("describe", () => {
      return refs.map(({ owner }) => {
        const group = this.#groups.get(owner.uid);
        return group === undefined || !this.#isShown(group) ? undefined : this.#view(group);
      });
    });
  }

  async remove(ref: GroupRef): Promise<void> {
    return this.#call("remove", () => {
      this.journal.push("remove");
      if (!this.#groups.delete(ref.owner.uid)) throw new VirtualKubeletError("NotFound", "there is no such group");
    });
  }

  async stop({ owner }: GroupRef, { failure }: { readonly failure?: PodFailure | undefined }): Promise<void> {
    return this.#call("stop", () => {
      const group = this.group(owner.uid);
      for (const container of group.containers) end(container, 137, this.#clock.now());
      group.failure = failure ?? group.failure;
      group.stopped = true;
    });
  }

  async terminate({ group: { owner }, container }: GroupContainer): Promise<void> {
    return this.#call("terminate", () => {
      this.journal.push(`terminate ${container}`);
      if (this.#options.heedsTerm === false) return;
      const found = this.container(owner.uid, container);
      end(found, 143, this.#clock.now());
      if (this.#options.restartsAll !== true) return;
      found.lastState = found.state;
      found.restarts += 1;
      found.state = begun(this.#clock.now());
    });
  }

  async restartContainer({ group: { owner }, container }: GroupContainer): Promise<void> {
    return this.#call("restartContainer", () => {
      const found = this.container(owner.uid, container);
      found.restarts += 1;
      found.exitCode = 0;
      found.state = begun(this.#clock.now());
    });
  }

  async updateMetadata({ owner }: GroupRef, request: PodRequest): Promise<void> {
    return this.#call("updateMetadata", () => {
      this.group(owner.uid).revision = request.revision;
    });
  }

  nativeProbes(): readonly ProbeType[] {
    return this.#options.nativeProbes ?? [];
  }

  async ping(): Promise<void> {
    return this.#call("ping", () => {});
  }

  has(uid: string): boolean {
    return this.#groups.has(uid);
  }

  /** It is there, and the answers say so. */
  shows(uid: string): boolean {
    const group = this.#groups.get(uid);
    return group !== undefined && this.#isShown(group);
  }

  /** It is removed by somebody else, and counts as never made. */
  lose(uid: string): void {
    this.#groups.delete(uid);
    this.made.delete(uid);
  }

  /** For tests: what of it can be changed from outside. */
  group(uid: string): MemoryGroup {
    const group = this.#groups.get(uid);
    if (group === undefined) throw new VirtualKubeletError("NotFound", `there is no group ${uid}`);
    return group;
  }

  container(uid: string, name: string): MemoryContainer {
    const container = this.group(uid).containers.find(({ spec }) => spec.name === name);
    if (container === undefined) throw new VirtualKubeletError("NotFound", `there is no container ${name}`);
    return container;
  }

  async #exec(
    { group: { owner }, container }: GroupContainer,
    command: readonly string[],
    io: ContainerIO,
  ): Promise<ExecResult> {
    return this.#call("exec", () => {
      this.journal.push(`exec ${container} ${command.join(" ")}`);
      io.stdout?.write(`${command.join(" ")}\n`);
      return { exitCode: this.container(owner.uid, container).exitCode };
    });
  }

  #isShown({ createdAt }: MemoryGroup): boolean {
    return this.#clock.now() - createdAt >= (this.#options.shownAfterMs ?? 0);
  }

  #view(group: MemoryGroup): CloudGroup {
    const { request, id, ip, createdAt, containers, events, revision, failure, stopped } = group;
    for (const container of containers) {
      const code = /^exit-(\d+)/.exec(container.spec.image ?? "")?.[1];
      if (code !== undefined && container.state.running !== undefined) end(container, Number(code), this.#clock.now());
    }
    const ended = stopped || containers.every(({ state }) => state.terminated !== undefined);
    return {
      ...{ owner: request.owner, id, revision, podIPs: [ip], events: [...events] },
      stage: ended ? "ended" : containers.some(({ state }) => state.waiting !== undefined) ? "starting" : "running",
      containers: containers.map(({ spec, state, lastState, restarts }): ContainerReport => {
        const containerID = `memory://${request.owner.uid}/${spec.name}/${restarts}`;
        return { name: spec.name, state, lastState, restartCount: restarts, containerID };
      }),
      startTime: new Date(createdAt).toISOString(),
      ...(failure === undefined ? {} : { failure }),
    };
  }

  async #call<T>(method: string, work: () => T): Promise<T> {
    this.calls.set(method, (this.calls.get(method) ?? 0) + 1);
    const fault = this.faults.get(method);
    if (fault !== undefined) throw fault;
    return this.#options.around === undefined ? work() : this.#options.around(method, work);
  }
}

function begun(now: number): ContainerState {
  return { running: { startedAt: new Date(now).toISOString() } };
}

function end(container: MemoryContainer, exitCode: number, now: number): void {
  const startedAt = container.state.running?.startedAt;
  if (startedAt === undefined) return;
  const finishedAt = new Date(now).toISOString();
  container.state = {
    terminated: { exitCode, startedAt, finishedAt, reason: exitCode === 0 ? "Completed" : "Error" },
  };
}

/** Sidecars beside the main ones; other init containers are over at once. */
function containersOf({ pod }: PodRequest): readonly Container[] {
  const sidecars = (pod.spec?.initContainers ?? []).filter(({ restartPolicy }) => restartPolicy === "Always");
  return [...(pod.spec?.containers ?? []), ...sidecars];
}
