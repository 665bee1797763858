// A Provider over several others: each pod is given to one of them by a rule, to the next when that has no room, and is taken to
// another only while nothing of it ever started.
import { type Clock, pause, systemClock } from "../clock.ts";
import { UpdateFeed } from "../engine/update-feed.ts";
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Capabilities } from "../provider/capabilities.ts";
import type { PodOwner, PodReport, PodRequest, PodUpdate } from "../provider/pods.ts";
import type { CallContext, Provider } from "../provider.ts";
import { defaultCircuitRules } from "./circuit.ts";
import { combinedCapabilities } from "./combine.ts";
import { compositeCalls } from "./composite-calls.ts";
import type { CompositeConfig } from "./config.ts";
import { Member } from "./member.ts";
import { hasStarted, newPlacement, type Placement, place } from "./placement.ts";

export interface CompositeOptions {
  readonly node: string;
  readonly config: CompositeConfig;
  /** By name. */
  readonly providers: ReadonlyMap<string, Provider>;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
  /** Between two looks at members that push nothing, and at what does not start; milliseconds. Default 5000. */
  readonly lookMs?: number | undefined;
}

/** Annotation of the pods: the member that runs it. */
export const memberAnnotation = "backend.virtual-kubelet.io/member";

export class CompositeProvider implements Provider {
  readonly capabilities: Capabilities;
  declare readonly watchNode: NonNullable<Provider["watchNode"]>;
  readonly #members: readonly Member[];
  readonly #config: CompositeConfig;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #lookMs: number;
  readonly #feed: UpdateFeed = new UpdateFeed();
  readonly #placements = new Map<string, Placement>();
  readonly #creations = new Map<string, Promise<void>>();
  readonly #end: AbortController = new AbortController();
  readonly #nodeChanged = new Set<() => void>();
  #running: Promise<unknown> | undefined;

  constructor(options: CompositeOptions) {
    const { config, clock = systemClock, log, lookMs = 5000 } = options;
    this.#config = config;
    this.#clock = clock;
    this.#log = log;
    this.#lookMs = lookMs;
    const { failures, openSeconds } = config.circuit;
    const rules = { ...defaultCircuitRules, failures, openMs: openSeconds * 1000 };
    const changed = (): void => this.#tellNode();
    this.#members = config.members.map((member) => {
      const provider = options.providers.get(member.name);
      if (provider === undefined) throw new VirtualKubeletError("Internal", `no provider was made for ${member.name}`);
      return new Member(member, provider, { clock, rules, changed });
    });
    this.capabilities = combinedCapabilities(this.#members.map(({ provider }) => provider.capabilities ?? {}));
    const calls = compositeCalls({
      ...{ members: this.#members, clock, node: options.node },
      find: (owner, context) => this.#find(owner, context),
      placement: (owner) => this.#placements.get(owner.uid),
      nodeChanges: this.#nodeChanged,
    });
    Object.assign(this, calls);
  }

  async createPod(request: PodRequest, context: CallContext): Promise<void> {
    this.#begin(context);
    const { uid } = request.owner;
    const before = this.#creations.get(uid);
    if (before !== undefined) return before;
    const creation = this.#create(request, context).finally(() => this.#creations.delete(uid));
    this.#creations.set(uid, creation);
    return creation;
  }

  async updatePod(request: PodRequest, context: CallContext): Promise<void> {
    const member = await this.#find(request.owner, context);
    const placement = this.#placements.get(request.owner.uid);
    if (placement !== undefined) placement.request = request;
    await member.provider.updatePod?.(request, context);
  }

  async deletePod(
    owner: PodOwner,
    options: { readonly gracePeriodSeconds: number },
    context: CallContext,
  ): Promise<void> {
    const member = await this.#find(owner, context);
    const placement = this.#placements.get(owner.uid);
    if (placement !== undefined) placement.ended = true;
    await member.provider.deletePod(owner, options, context);
  }

  async getPodStatus(owner: PodOwner, context: CallContext): Promise<PodReport> {
    const member = await this.#find(owner, context);
    const placement = this.#placements.get(owner.uid);
    try {
      return this.#seen(member, await member.provider.getPodStatus(owner, context));
    } catch (error) {
      if (placement?.moving === true && isErrorKind(error, "NotFound")) return waiting(placement);
      throw error;
    }
  }

  async getPods(context: CallContext): Promise<readonly PodReport[]> {
    this.#begin(context);
    const all = await Promise.all(
      this.#members.map(async (member) => ({ member, reports: await member.pods(context) })),
    );
    const found = new Map<string, PodReport>();
    for (const { member, reports } of all)
      for (const report of reports) {
        const { uid } = report.owner;
        const placed = this.#placements.get(uid)?.member;
        if (this.#isSecond(member, report)) this.#removeSecond(member, report, context);
        // One that moved may still show where it was.
        else if (found.has(uid) ? placed === member : placed === undefined || placed === member)
          found.set(uid, this.#seen(member, report));
      }
    for (const [uid, placement] of this.#placements)
      if (placement.moving && !found.has(uid)) found.set(uid, waiting(placement));
    return [...found.values()];
  }

  watchPods(context: CallContext): AsyncIterable<PodUpdate> {
    this.#begin(context);
    return this.#feed.read(AbortSignal.any([context.signal, this.#end.signal]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#running;
    await Promise.all(this.#members.map(async ({ provider }) => provider[Symbol.asyncDispose]?.()));
  }

  async #create(request: PodRequest, context: CallContext): Promise<void> {
    const { owner } = request;
    const placement = this.#placements.get(owner.uid) ?? newPlacement(owner, this.#clock.now());
    if (placement.moving) return;
    this.#placements.set(owner.uid, placement);
    const isNew = placement.member === undefined;
    const silent = this.#members.find(({ isListed }) => !isListed);
    // It was somewhere before this process began, and that may be there.
    if (isNew && silent !== undefined && wasSeen(request)) {
      this.#placements.delete(owner.uid);
      throw new VirtualKubeletError("Unavailable", `${silent.name} may have the pod, and has not been listed yet`);
    }
    const options = { config: this.#config, members: this.#members, clock: this.#clock };
    try {
      const member = await place(placement, request, options, context);
      if (isNew) this.#tell(owner, "Normal", "MemberChosen", `runs on ${member.name}`);
    } catch (error) {
      if (placement.member === undefined && placement.left.size === 0) this.#placements.delete(owner.uid);
      throw error;
    }
  }

  /** The member that has it; NotFound only when all of them positively have none. */
  async #find(owner: PodOwner, context: CallContext): Promise<Member> {
    this.#begin(context);
    await this.#creations.get(owner.uid)?.catch(() => {});
    const known = this.#placements.get(owner.uid)?.member;
    if (known !== undefined) return known;
    const answers = await Promise.allSettled(
      this.#members.map(async (member) => {
        this.#seen(member, await member.provider.getPodStatus(owner, context));
        return member;
      }),
    );
    const found = answers.find((answer) => answer.status === "fulfilled");
    if (found !== undefined) return found.value;
    const faults = answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason] : []));
    throw faults.find((fault) => !isErrorKind(fault, "NotFound")) ?? faults[0];
  }

  /** Notes where it is; what is reported says so. */
  #seen(member: Member, report: PodReport): PodReport {
    const { owner } = report;
    let placement = this.#placements.get(owner.uid);
    if (placement === undefined) {
      placement = newPlacement(owner, this.#clock.now());
      this.#placements.set(owner.uid, placement);
    }
    if (placement.member === undefined && !placement.moving)
      Object.assign(placement, { member, uncertainSince: undefined });
    if (placement.member === member && hasStarted(report)) placement.started = true;
    return { ...report, annotations: { ...report.annotations, [memberAnnotation]: member.name } };
  }

  /** A create whose answer was lost with the process, on a member that was silent when the next one asked. */
  #isSecond(member: Member, { owner }: PodReport): boolean {
    const placement = this.#placements.get(owner.uid);
    if (placement?.member === undefined || placement.member === member || placement.moving) return false;
    return !placement.left.has(member);
  }

  #removeSecond(member: Member, { owner }: PodReport, context: CallContext): void {
    this.#log.error({ member: member.name, uid: owner.uid }, "a pod is on two members: the second is removed");
    member.provider.deletePod(owner, { gracePeriodSeconds: 0 }, context).catch((error: unknown) => {
      if (!context.signal.aborted && !isErrorKind(error, "NotFound"))
        this.#log.warn({ member: member.name, uid: owner.uid, err: errorText(error) }, "it could not be removed yet");
    });
  }

  #begin({ signal }: CallContext): void {
    signal.throwIfAborted();
    this.#running ??= Promise.all([...this.#members.map((member) => this.#follow(member)), this.#moveAll()]);
  }

  /** What a member says of its pods, for as long as this lives. Never rejects. */
  async #follow(member: Member): Promise<void> {
    const context = { signal: this.#end.signal, log: this.#log };
    const { provider } = member;
    while (!context.signal.aborted) {
      try {
        if (provider.watchPods === undefined) await this.#poll(member, context);
        else for await (const update of provider.watchPods(context)) this.#pass(member, update);
      } catch (error) {
        if (context.signal.aborted) return;
        this.#log.warn({ member: member.name, err: errorText(error) }, "a member's pods cannot be followed");
      }
      await pause(this.#clock, this.#lookMs, context.signal);
    }
  }

  async #poll(member: Member, context: CallContext): Promise<void> {
    for (const report of await member.provider.getPods(context)) this.#pass(member, { type: "report", report });
  }

  #pass(member: Member, update: PodUpdate): void {
    const owner = update.type === "report" ? update.report.owner : update.owner;
    const placement = this.#placements.get(owner.uid);
    if (placement?.moving === true || (placement?.member !== undefined && placement.member !== member)) return;
    if (update.type === "event") this.#feed.event(update);
    else if (update.type === "report") {
      member.saw(update.report);
      this.#feed.report({ type: "report", report: this.#seen(member, update.report) });
    } else {
      member.lost(owner.uid);
      this.#placements.delete(owner.uid);
      this.#feed.gone(owner);
    }
  }

  /** Looks now and then for pods that do not start where they are. Never rejects. */
  async #moveAll(): Promise<void> {
    const { signal } = this.#end;
    const afterMs = this.#config.moveAfterSeconds * 1000;
    if (afterMs === 0 || this.#members.length < 2) return;
    while (!signal.aborted) {
      await pause(this.#clock, Math.min(this.#lookMs, afterMs), signal);
      const due = this.#clock.now() - afterMs;
      const stuck = [...this.#placements.values()].filter((each) => isMovable(each) && each.since <= due);
      await Promise.all(
        stuck.map(async (placement) => {
          try {
            await this.#move(placement, { signal, log: this.#log });
          } catch (error) {
            if (!signal.aborted)
              this.#log.warn({ uid: placement.owner.uid, err: errorText(error) }, "a pod could not be moved yet");
          }
        }),
      );
    }
  }

  /** Away from where nothing of it started, once that has positively nothing of it; then to the next. */
  async #move(placement: Placement, context: CallContext): Promise<void> {
    const { member, owner, request } = placement;
    if (member === undefined || request === undefined) return;
    if (!placement.moving) {
      const report = await member.provider.getPodStatus(owner, context).catch(absent);
      if (report !== undefined && hasStarted(report)) placement.started = true;
      if (!isMovable(placement)) return;
      placement.moving = true;
      await member.provider.deletePod(owner, { gracePeriodSeconds: 0 }, context).catch(absent);
    }
    if ((await member.provider.getPodStatus(owner, context).catch(absent)) !== undefined) return;
    member.lost(owner.uid);
    Object.assign(placement, { member: undefined, moving: false, since: this.#clock.now() });
    placement.left.add(member);
    if (placement.ended) {
      this.#placements.delete(owner.uid);
      this.#feed.gone(owner);
      return;
    }
    this.#tell(owner, "Normal", "MemberLeft", `nothing started on ${member.name}: it goes to another member`);
    await this.createPod(request, context);
  }

  #tell(owner: PodOwner, eventType: "Normal" | "Warning", reason: string, message: string): void {
    this.#feed.event({ type: "event", owner, eventType, reason, message });
  }

  #tellNode(): void {
    for (const changed of this.#nodeChanged) changed();
  }
}

/** Nothing of it ran, and nobody wants it gone. */
function isMovable({ member, request, started, ended, uncertainSince }: Placement): boolean {
  return member !== undefined && request !== undefined && !started && !ended && uncertainSince === undefined;
}

/** A process before this one told of it. */
function wasSeen({ pod: { metadata, status } }: PodRequest): boolean {
  return metadata.annotations?.[memberAnnotation] !== undefined || status?.startTime !== undefined;
}

function absent(error: unknown): undefined {
  if (!isErrorKind(error, "NotFound")) throw error;
}

/** Between two members. */
function waiting({ owner, request }: Placement): PodReport {
  return {
    owner,
    revision: request?.revision,
    containers: (request?.pod.spec?.containers ?? []).map(({ name }) => ({
      name,
      state: { waiting: { reason: "Moving", message: "it is taken to another member" } },
    })),
  };
}
