// A Provider over a cloud that runs whole pods. `new CloudProvider({ backend, node, cluster, log, capabilities })`. It remembers
// the groups, looks at them as often as need be, and adds what of a kubelet the cloud lacks.
import { type Clock, systemClock } from "../clock.ts";
import { hookRunner } from "../engine/hook-run.ts";
import { ContainerProbes } from "../engine/probe-manager.ts";
import type { ProbeListener, ProbeManager } from "../engine/probe-results.ts";
import { UpdateFeed } from "../engine/update-feed.ts";
import type { Logger } from "../log.ts";
import type { Capabilities } from "../provider/capabilities.ts";
import type { ProbeMetrics } from "../provider/node.ts";
import type { PodOwner, PodReport, PodRequest, PodUpdate } from "../provider/pods.ts";
import type { CallContext, Provider } from "../provider.ts";
import type { CloudBackend } from "./cloud-backend.ts";
import { cloudCalls } from "./cloud-calls.ts";
import { ContainerCare, type ContainerCareOptions } from "./container-care.ts";
import { CreateBreaker } from "./create-breaker.ts";
import { GroupEndings } from "./group-endings.ts";
import { type GroupEntry, hasEnded, notFound, refOf } from "./group-entry.ts";
import { followPushes } from "./group-pushes.ts";
import { groupReport } from "./group-report.ts";
import { GroupTable } from "./group-table.ts";
import { defaultPace, type PollPace } from "./poll-schedule.ts";
import { SharedCall } from "./shared-call.ts";
import { changedFields } from "./unapplied.ts";

export interface CloudProviderOptions {
  readonly backend: CloudBackend;
  readonly node: string;
  readonly log: Logger;
  /** What of pods the backend can honour; `resolve` is set. */
  readonly capabilities: Capabilities;
  readonly clock?: Clock | undefined;
  /** 0 to below 1. */
  readonly random?: (() => number) | undefined;
  readonly pace?: Partial<PollPace> | undefined;
  /** For so long after its creation the cloud may not show a group, milliseconds; default 30 000. */
  readonly consistencyMs?: number | undefined;
  /** For the User-Agent of probes and hooks; default "1.36". */
  readonly kubernetesVersion?: string | undefined;
  /** Makes what probes containers; default ContainerProbes. */
  readonly probes?: ((listener: ProbeListener) => ProbeManager) | undefined;
}

export class CloudProvider implements Provider {
  readonly capabilities: Capabilities;
  declare readonly stopPod?: NonNullable<Provider["stopPod"]>;
  declare readonly updateVolumes?: NonNullable<Provider["updateVolumes"]>;
  declare readonly getContainerLogs?: NonNullable<Provider["getContainerLogs"]>;
  declare readonly runInContainer?: NonNullable<Provider["runInContainer"]>;
  declare readonly attachToContainer?: NonNullable<Provider["attachToContainer"]>;
  declare readonly portForward?: NonNullable<Provider["portForward"]>;
  declare readonly getStatsSummary?: NonNullable<Provider["getStatsSummary"]>;
  declare readonly ping?: NonNullable<Provider["ping"]>;
  declare readonly watchNode: NonNullable<Provider["watchNode"]>;
  declare readonly configureNode?: NonNullable<Provider["configureNode"]>;
  declare readonly billedSize?: NonNullable<Provider["billedSize"]>;
  readonly #backend: CloudBackend;
  readonly #clock: Clock;
  readonly #log: Logger;
  /** A word of the cloud's that is not older answers for it. */
  readonly #freshMs: number;
  readonly #table: GroupTable;
  readonly #feed: UpdateFeed = new UpdateFeed();
  readonly #probes: ProbeManager;
  readonly #care: ContainerCare;
  readonly #endings: GroupEndings;
  readonly #creations = new Map<string, Promise<void>>();
  readonly #end: AbortController = new AbortController();
  #pushes: Promise<void> | undefined;
  readonly #listing: SharedCall;
  readonly #breaker: CreateBreaker;

  constructor(options: CloudProviderOptions) {
    const { backend, log, clock = systemClock, random = Math.random, kubernetesVersion = "1.36" } = options;
    this.#backend = backend;
    this.#clock = clock;
    this.#log = log;
    const pace = { ...defaultPace, ...options.pace };
    this.#freshMs = pace.fastMs / 2;
    const consistencyMs = options.consistencyMs ?? 30_000;
    const consistencyDelaySeconds = Math.ceil(consistencyMs / 1000);
    this.capabilities = { ...options.capabilities, resolve: true, consistencyDelaySeconds };
    const event: ContainerCareOptions["event"] = (...happening) => this.#tell(...happening);
    const { signal } = this.#end;
    const soon = (entry: GroupEntry): void => this.#table.soon(entry);
    const changed = (entry: GroupEntry): void => this.#publish(entry);
    const isKnown = (entry: GroupEntry): boolean => this.#table.get(entry.owner.uid) === entry;
    this.#listing = new SharedCall(clock, (context) => this.#listed(context));
    const runHook = hookRunner({ kubernetesVersion, clock });
    this.#table = new GroupTable({
      ...{ backend, clock, random, log, consistencyMs, pace },
      seen: (entry) => {
        this.#care.tend(entry);
        this.#publish(entry);
      },
      told: (owner, { eventType, reason, message, container }) =>
        this.#tell(owner, eventType, reason, message, container),
      gone: (entry) => this.#gone(entry),
    });
    const makeProbes =
      options.probes ??
      ((listener: ProbeListener): ProbeManager =>
        new ContainerProbes({ listener, log, kubernetesVersion, clock, random }));
    this.#probes = makeProbes({
      changed: (uid) => {
        const entry = this.#table.get(uid);
        if (entry !== undefined) this.#care.judged(entry);
      },
      event: ({ owner, ref }, type, reason, message) => event(owner, type, reason, message, ref.name),
    });
    this.#care = new ContainerCare({
      ...{ backend, clock, log, probes: this.#probes, runHook, signal },
      ...{ event, changed, soon, isKnown },
    });
    this.#endings = new GroupEndings({
      ...{ backend, clock, log, runHook, signal, soon, changed },
      shortly: (entry) => this.#table.shortly(entry),
      target: (entry, report) => this.#care.target(entry, report),
      event: (...happening) => this.#tell(...happening),
      isKnown,
    });
    this.#breaker = new CreateBreaker(backend.type, clock);
    const calls = cloudCalls({
      ...{ backend, clock, node: options.node, breaker: this.#breaker },
      find: (owner, context) => this.#find(owner, context),
      describe: (entry, context) => this.#table.describe([entry], context),
      end: (entry, ending) => this.#endings.end(entry, ending),
      entries: () => this.#table.all(),
    });
    Object.assign(this, calls);
    this.#table.start(signal);
  }

  async createPod(request: PodRequest, context: CallContext): Promise<void> {
    this.#begin(context);
    this.#backend.admit(request);
    const { uid } = request.owner;
    // A second call while the first is on its way waits for that one.
    const before = this.#creations.get(uid);
    if (before !== undefined) return before;
    const creation = this.#create(request, context).finally(() => this.#creations.delete(uid));
    this.#creations.set(uid, creation);
    return creation;
  }

  /** Takes over what the core knows of it; what of the spec the cloud cannot change is told by an event. */
  async updatePod(request: PodRequest, context: CallContext): Promise<void> {
    this.#begin(context);
    const entry = await this.#find(request.owner, context);
    const before = entry.request;
    entry.request = { ...request, resolved: request.resolved ?? before?.resolved };
    const fields = before === undefined ? [] : changedFields(before.pod, request.pod);
    if (fields.length > 0) {
      const message = `${fields.join(", ")} cannot be changed while the pod is on ${this.#backend.type}: it goes on as it was created`;
      this.#tell(entry.owner, "Warning", "UpdateUnsupported", message);
    }
    const ref = refOf(entry);
    const isNews = entry.group?.revision !== request.revision || entry.group?.clusterUnknown === true;
    if (ref !== undefined && isNews && entry.ending === undefined && this.#backend.updateMetadata !== undefined)
      await this.#backend.updateMetadata(ref, request, context);
    if (entry.group !== undefined) entry.group = { ...entry.group, revision: request.revision };
    this.#care.tend(entry);
    this.#publish(entry);
  }

  async deletePod(
    owner: PodOwner,
    options: { readonly gracePeriodSeconds: number },
    context: CallContext,
  ): Promise<void> {
    this.#begin(context);
    const entry = await this.#find(owner, context);
    const deadline = this.#clock.now() + options.gracePeriodSeconds * 1000;
    this.#endings.end(entry, { why: "deleted", deadline, failure: undefined });
    this.#care.tend(entry);
  }

  async getPodStatus(owner: PodOwner, context: CallContext): Promise<PodReport> {
    this.#begin(context);
    const entry = await this.#find(owner, context);
    const isFresh = this.#clock.now() - entry.lookedAt < this.#freshMs;
    if (entry.id !== undefined && !isFresh && !(hasEnded(entry) && entry.ending === undefined))
      await this.#table.describe([entry], context);
    if (this.#table.get(owner.uid) !== entry) throw notFound(owner);
    return this.#report(entry);
  }

  async getPods(context: CallContext): Promise<readonly PodReport[]> {
    this.#begin(context);
    await this.#listing.run(context);
    return [...this.#table.all()].filter(({ id }) => id !== undefined).map((entry) => this.#report(entry));
  }

  watchPods(context: CallContext): AsyncIterable<PodUpdate> {
    this.#begin(context);
    return this.#feed.read(AbortSignal.any([context.signal, this.#end.signal]));
  }

  getProbeMetrics(): ProbeMetrics {
    return this.#probes.metrics();
  }

  /** Lets go of the pods, which run on. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    this.#probes.stop();
    await Promise.all([this.#table.settled(), this.#endings.settled(), this.#pushes]);
    await this.#backend[Symbol.asyncDispose]?.();
  }

  async #create(request: PodRequest, context: CallContext): Promise<void> {
    const known = this.#table.get(request.owner.uid);
    const entry = known ?? this.#table.add(request.owner, request, true);
    if (entry.id !== undefined) {
      entry.request = request;
      return;
    }
    try {
      const { id, notes } = await this.#breaker.judged(entry.owner.uid, () => this.#backend.create(request, context));
      entry.request = request;
      this.#table.created(entry, id);
      for (const { eventType, reason, message } of notes) this.#tell(entry.owner, eventType, reason, message);
    } catch (error) {
      // Nothing is known of it then: the core asks again, and the listing finds what was made all the same, unless it has already.
      if (entry.id === undefined) this.#table.forget(entry);
      throw error;
    }
  }

  /** NotFound only where the cloud positively has none. */
  async #find(owner: PodOwner, context: CallContext): Promise<GroupEntry> {
    context.signal.throwIfAborted();
    await this.#creations.get(owner.uid)?.catch(() => {});
    const known = this.#table.get(owner.uid);
    if (known !== undefined) return known;
    await this.#listing.run(context);
    const entry = this.#table.get(owner.uid);
    if (entry === undefined) throw notFound(owner);
    return entry;
  }

  /** What the cloud has, and whether it has what it did not list. */
  async #listed(context: CallContext): Promise<void> {
    const at = this.#clock.now();
    const groups = await this.#backend.list(context);
    const unknown = this.#table.listed(groups, at);
    await this.#table.describe(unknown, context);
    const present = new Set(groups.map(({ owner }) => owner.uid));
    const missing = [...this.#table.all()].filter(
      (entry) => entry.id !== undefined && entry.lookedAt < at && !present.has(entry.owner.uid),
    );
    // A listing may lag behind; the group itself is asked before it counts as gone.
    await this.#table.describe(missing, context);
  }

  #gone(entry: GroupEntry): void {
    this.#care.forget(entry);
    this.#feed.gone(entry.owner);
  }

  #report(entry: GroupEntry): PodReport {
    return groupReport(entry, this.#backend, (name, attempt) => this.#care.results(entry.owner.uid, name, attempt));
  }

  #tell(
    owner: PodOwner,
    eventType: "Normal" | "Warning",
    reason: string,
    message: string,
    container?: string | undefined,
  ): void {
    this.#feed.event({ type: "event", owner, eventType, reason, message, container });
  }

  /** What is as it was is not told again. */
  #publish(entry: GroupEntry): void {
    const { uid } = entry.owner;
    if (this.#table.get(uid) !== entry) return;
    const report = this.#report(entry);
    const text = JSON.stringify(report);
    if (entry.reported === text) return;
    entry.reported = text;
    this.#feed.report({ type: "report", report });
  }

  /** Follows what the cloud pushes, where it does. */
  #begin({ signal }: CallContext): void {
    signal.throwIfAborted();
    this.#pushes ??= followPushes({
      ...{ backend: this.#backend, clock: this.#clock, log: this.#log, signal: this.#end.signal },
      pushed: (is) => {
        this.#table.pushed = is;
      },
      changed: (id) => this.#table.soonById(id),
    });
  }
}
