// A Nomad for tests, over HTTP and websockets on loopback: servers and clients in one. Programs of the host are real processes, containers
// of images are what a runner makes of them.
import { randomUUID } from "node:crypto";
import { type Clock, pause, systemClock } from "@virtual-kubelet/virtual-kubelet";
import { type GroupRunner, MemoryGroups } from "@virtual-kubelet/virtual-kubelet/testing";
import type { NomadAllocatedPort } from "../../wire.ts";
import { clientRoutes } from "./client-routes.ts";
import { eventRoute } from "./event-route.ts";
import { ExecSockets } from "./exec-sockets.ts";
import { FakeAcl, type Rights } from "./fake-acl.ts";
import { FakeAllocation } from "./fake-allocation.ts";
import { NomadFaults } from "./fake-faults.ts";
import { FakeJobs } from "./fake-jobs.ts";
import { type FakeNode, type FakeNodeOptions, FakeNodes } from "./fake-nodes.ts";
import { FakeServer } from "./fake-server.ts";
import { FakeState } from "./fake-state.ts";
import { FakeVariables } from "./fake-variables.ts";
import type { FakeGroup, FakeJob } from "./job-schema.ts";
import { ProcessGroups } from "./process-groups.ts";
import { serverRoutes } from "./server-routes.ts";

export interface FakeNomadOptions {
  /** Runs containers of images; default in memory. */
  readonly runner?: GroupRunner | undefined;
  readonly clock?: Clock | undefined;
  /** Default "global". */
  readonly region?: string | undefined;
  /** Default "default". */
  readonly namespaces?: readonly string[] | undefined;
  /** Rights by secret; default no access control. */
  readonly tokens?: ReadonlyMap<string, Rights> | undefined;
  /** Default one. */
  readonly nodes?: readonly FakeNodeOptions[] | undefined;
  /** How long a second of restart policies lasts, milliseconds; default 1000. */
  readonly secondMs?: number | undefined;
  /** How long a client takes to begin with an allocation, milliseconds; default 20. */
  readonly paceMs?: number | undefined;
  /** How often a client tells the servers what has changed, milliseconds; default 20, real ones take 200. */
  readonly syncMs?: number | undefined;
  /** Of the event stream, milliseconds; default 30 000. */
  readonly heartbeatMs?: number | undefined;
  /** How many batches of events are kept; default 100. */
  readonly keepsEvents?: number | undefined;
  /** Default true. */
  readonly oversubscription?: boolean | undefined;
}

/** One job in the books. */
export interface BookedJob {
  readonly id: string;
  readonly meta: Readonly<Record<string, string>>;
  /** Something of it runs or may come to run. */
  readonly live: boolean;
}

export class FakeNomad implements AsyncDisposable {
  readonly faults: NomadFaults;
  readonly state: FakeState;
  readonly acl: FakeAcl;
  readonly nodes: FakeNodes;
  readonly variables: FakeVariables;
  readonly jobs: FakeJobs;
  readonly #server: FakeServer;
  readonly #exec: ExecSockets;
  readonly #processes: ProcessGroups = new ProcessGroups();
  #ports = 20_000;

  private constructor(options: FakeNomadOptions) {
    const { clock = systemClock, region = "global", namespaces = ["default"], oversubscription = true } = options;
    this.faults = new NomadFaults(clock);
    this.state = new FakeState(clock, options.keepsEvents ?? 100);
    this.acl = new FakeAcl(options.tokens);
    this.nodes = new FakeNodes(this.state);
    for (const node of options.nodes ?? [{}]) this.nodes.add(node);
    this.variables = new FakeVariables(this.state);
    const runner = options.runner ?? new MemoryGroups({ clock });
    const { state, nodes, variables, faults, acl } = this;
    this.jobs = new FakeJobs({
      ...{ state, nodes, namespaces },
      allocate: (job, node) => this.#allocation(job, node, runner, clock, options),
    });
    const { jobs } = this;
    this.#exec = new ExecSockets(jobs, acl, faults);
    const servers = { region, state, jobs, nodes, variables };
    this.#server = new FakeServer({
      ...{ region, faults, acl },
      routes: [
        ...serverRoutes({ ...servers, leader: () => "127.0.0.1:4647", oversubscription: () => oversubscription }),
        ...clientRoutes({ jobs, faults, clock }),
        eventRoute({ state, faults, clock, heartbeatMs: options.heartbeatMs ?? 30_000 }),
      ],
      upgrade: (request, socket, head) => this.#exec.upgrade(request, socket, head),
    });
  }

  static async start(options: FakeNomadOptions = {}): Promise<FakeNomad> {
    const fake = new FakeNomad(options);
    await fake.#server.listen();
    return fake;
  }

  get address(): string {
    return `http://127.0.0.1:${this.#server.port}`;
  }

  /** Requests that are none, and what the fake itself could not do: empty when all is well. */
  get problems(): readonly string[] {
    return [...this.#server.problems, ...this.#exec.problems, ...this.jobs.problems];
  }

  /** Calls answered well, by operation. */
  get counts(): Readonly<Record<string, number>> {
    return this.#server.counts;
  }

  /** Every job that is told of. */
  get books(): readonly BookedJob[] {
    return this.jobs.all.map((entry) => ({
      ...{ id: entry.job.ID, meta: entry.job.Meta ?? {} },
      live: !entry.job.Stop || this.jobs.status(entry) !== "dead",
    }));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // The last goes first, and each goes whatever becomes of the others.
    await using parts = new AsyncDisposableStack();
    parts.use(this.#processes);
    parts.defer(() => this.jobs.close());
    parts.use(this.#server);
    this.faults.cutStreams();
    this.#exec.close();
  }

  #allocation(
    job: FakeJob,
    node: FakeNode,
    runner: GroupRunner,
    clock: Clock,
    { secondMs = 1000, paceMs = 20, syncMs = 20 }: FakeNomadOptions,
  ): FakeAllocation {
    const [group] = job.TaskGroups;
    if (group === undefined) throw new Error("a job without a group has passed");
    const namespace = job.Namespace ?? "default";
    const own = ["nomad/jobs", `nomad/jobs/${job.ID}`, `nomad/jobs/${job.ID}/${group.Name}`];
    return new FakeAllocation({
      ...{ id: randomUUID(), job, group, node, runner, processes: this.#processes, clock, secondMs, paceMs, syncMs },
      ports: this.#allocatedPorts(group, node.Address),
      // By its identity a task reads what is its job's, its group's and its own.
      read: (path) =>
        own.includes(path) || group.Tasks.some(({ Name }) => path === `${own[2]}/${Name}`)
          ? this.variables.get(namespace, path)?.Items
          : undefined,
      variablesChanged: async (signal) => {
        await this.state.newer("variables", this.state.indexOf("variables"), 2 ** 31 - 1, signal);
        // What is written at once is read at once.
        await pause(clock, 1, signal);
      },
      changed: (allocation) => this.jobs.changed(allocation),
    });
  }

  #allocatedPorts({ Networks }: FakeGroup, HostIP: string): readonly NomadAllocatedPort[] {
    return (Networks ?? []).flatMap(({ ReservedPorts, DynamicPorts }) =>
      [...(ReservedPorts ?? []), ...(DynamicPorts ?? [])].map(({ Label, Value = 0, To = 0 }) => {
        this.#ports += 1;
        return { Label, Value: Value > 0 ? Value : this.#ports, To, HostIP };
      }),
    );
  }
}
