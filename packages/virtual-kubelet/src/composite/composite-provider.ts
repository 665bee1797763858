// A Provider over several others: each pod is given to one of them by a rule, to the next when that has no room, and is taken to
// another only while nothing of it ever started.
import { type Clock, systemClock } from "../clock.ts";
import { defaultCircuitRules } from "../cloud/circuit.ts";
import { timedCall } from "../engine/timed-call.ts";
import { UpdateFeed } from "../engine/update-feed.ts";
import { isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { Capabilities } from "../provider/capabilities.ts";
import type { PodOwner, PodReport, PodRequest, PodUpdate } from "../provider/pods.ts";
import type { CallContext, Provider } from "../provider.ts";
import { combinedCapabilities } from "./combine.ts";
import { compositeCalls } from "./composite-calls.ts";
import type { CompositeConfig } from "./config.ts";
import { InTurn } from "./in-turn.ts";
import { Member } from "./member.ts";
import { type MemberPrices, sizeOnMember } from "./member-costs.ts";
import { followMember } from "./member-updates.ts";
import { betweenMembers, Moves } from "./moves.ts";
import { type Placement, type PlaceOptions, place, settle } from "./placement.ts";
import { mayBeKnown, PlacementTable } from "./placement-table.ts";

export interface CompositeOptions {
  readonly node: string;
  readonly config: CompositeConfig;
  /** By name. */
  readonly providers: ReadonlyMap<string, Provider>;
  /** Of the members; for rule "price", and for what pods cost. */
  readonly prices?: MemberPrices | undefined;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
  /** Between two looks at members that push nothing, and at what does not start; milliseconds. Default 5000. */
  readonly lookMs?: number | undefined;
}

export class CompositeProvider implements Provider {
  readonly capabilities: Capabilities;
  declare readonly watchNode: NonNullable<Provider["watchNode"]>;
  declare readonly billedSize: NonNullable<Provider["billedSize"]>;
  readonly #members: readonly Member[];
  readonly #placing: PlaceOptions;
  readonly #startedAt: number;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #lookMs: number;
  readonly #feed: UpdateFeed = new UpdateFeed();
  readonly #end: AbortController = new AbortController();
  readonly #placements: PlacementTable;
  readonly #turns: InTurn;
  readonly #moves: Moves;
  readonly #nodeChanged = new Set<() => void>();
  #running: Promise<unknown> | undefined;

  constructor(options: CompositeOptions) {
    const { config, clock = systemClock, log, lookMs = 5000 } = options;
    this.#clock = clock;
    this.#log = log;
    this.#lookMs = lookMs;
    this.#startedAt = clock.now();
    const placements = new PlacementTable({ clock, log, signal: this.#end.signal });
    const turns = new InTurn(clock);
    this.#placements = placements;
    this.#turns = turns;
    this.#moves = new Moves({
      ...{ config, clock, log, lookMs, placements, turns },
      place: (placement, request, context) => this.#place(placement, request, context),
      tell: (owner, reason, message) => this.#tell(owner, reason, message),
      gone: (owner) => this.#feed.gone(owner),
    });
    const { failures, openSeconds } = config.circuit;
    const rules = { ...defaultCircuitRules, failures, openMs: openSeconds * 1000 };
    const changed = (): void => this.#tellNode();
    this.#members = config.members.map((member) => {
      const provider = options.providers.get(member.name);
      if (provider === undefined) throw new VirtualKubeletError("Internal", `no provider was made for ${member.name}`);
      return new Member(member, provider, { clock, rules, changed });
    });
    const occupied = { clock, placements: () => placements.all() };
    this.#placing = { config, members: this.#members, prices: options.prices ?? { tables: {} }, ...occupied };
    this.capabilities = combinedCapabilities(this.#members.map(({ provider }) => provider.capabilities ?? {}));
    const calls = compositeCalls({
      ...{ members: this.#members, clock, node: options.node },
      find: async (owner, context) => {
        const member = await this.#located(owner, context);
        if (member === undefined) throw new VirtualKubeletError("Unavailable", "the pod is taken to another member");
        return member;
      },
      end: (owner, context, work) => this.#ended(owner, context, work),
      nodeChanges: this.#nodeChanged,
    });
    const priced: Pick<Provider, "billedSize"> = { billedSize: (pod) => sizeOnMember(this.#placing, pod) };
    Object.assign(this, calls, priced);
  }

  async createPod(request: PodRequest, context: CallContext): Promise<void> {
    this.#begin(context);
    return this.#turns.run(request.owner.uid, context, () => this.#create(request, context));
  }

  async updatePod(request: PodRequest, context: CallContext): Promise<void> {
    this.#begin(context);
    return this.#turns.run(request.owner.uid, context, async () => {
      const placement = this.#placements.get(request.owner);
      const before = placement?.request;
      if (placement !== undefined) placement.request = request;
      // The next one is given it as it is then.
      if (placement?.moving === true) return;
      const member = await this.#find(request.owner, context);
      const found = Object.assign(this.#placements.of(request.owner), { request });
      // It was asked for again, and is as its member has it.
      if (before === undefined && (found.revision ?? request.revision) === request.revision) return;
      await member.provider.updatePod?.(request, context);
    });
  }

  async deletePod(
    owner: PodOwner,
    options: { readonly gracePeriodSeconds: number },
    context: CallContext,
  ): Promise<void> {
    await this.#ended(owner, context, (provider) => provider.deletePod(owner, options, context));
  }

  async getPodStatus(owner: PodOwner, context: CallContext): Promise<PodReport> {
    const member = await this.#located(owner, context);
    const placement = this.#placements.get(owner);
    if (member === undefined) {
      if (placement === undefined) throw notFound(owner);
      return betweenMembers(placement);
    }
    const since = placement?.since;
    try {
      const report = await member.provider.getPodStatus(owner, context);
      return this.#placements.seen(member, report) ?? report;
    } catch (error) {
      if (!isErrorKind(error, "NotFound") || placement === undefined) throw error;
      if (placement.moving) return betweenMembers(placement);
      // It was taken to another one, or there and back, while this one was asked.
      if (placement.member !== member || placement.since !== since) return betweenMembers(placement);
      // Its end is not over while a create may still have made it.
      if (placement.ended && placement.uncertainSince !== undefined)
        throw new VirtualKubeletError("Unavailable", `${member.name} may have the pod, and has not shown it yet`);
      if (placement.ended) this.#forget(placement);
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
        const seen = this.#placements.seen(member, report);
        if (seen !== undefined) found.set(report.owner.uid, seen);
      }
    for (const placement of this.#placements.all())
      if (placement.moving && !found.has(placement.owner.uid))
        found.set(placement.owner.uid, betweenMembers(placement));
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
    const before = this.#placements.get(owner);
    if (before?.moving === true) {
      before.request = request;
      return;
    }
    const silent = this.#members.find(({ isListed }) => !isListed);
    // It may have been given to a member before this process began, and to that one.
    if (before?.member === undefined && silent !== undefined && mayBeKnown(request, this.#startedAt))
      throw new VirtualKubeletError("Unavailable", `${silent.name} may have the pod, and has not been listed yet`);
    const placement = this.#placements.of(owner);
    const isNew = placement.member === undefined;
    try {
      const member = await this.#place(placement, request, context);
      if (isNew) this.#tell(owner, "MemberChosen", `runs on ${member.name}`);
    } catch (error) {
      if (placement.member === undefined) this.#forget(placement);
      throw error;
    }
  }

  async #place(placement: Placement, request: PodRequest, context: CallContext): Promise<Member> {
    const member = await place(placement, request, this.#placing, context);
    // While it cannot be listed, its pods are as last seen: this one is there.
    member.took(betweenMembers(placement));
    return member;
  }

  /** Its end is asked for: it stays where it is. */
  async #ended(owner: PodOwner, context: CallContext, work: (provider: Provider) => Promise<void>): Promise<void> {
    this.#begin(context);
    return this.#turns.run(owner.uid, context, async () => {
      const placement = this.#placements.get(owner);
      if (placement !== undefined) {
        Object.assign(placement, { ended: true, moving: false });
        if (placement.uncertainSince !== undefined) await settle(placement, this.#clock, context);
        if (placement.member === undefined) {
          this.#forget(placement);
          throw notFound(owner);
        }
      }
      const { provider } = await this.#find(owner, context);
      this.#placements.of(owner).ended = true;
      try {
        await work(provider);
      } catch (error) {
        if (isErrorKind(error, "NotFound")) this.#placements.delete(owner);
        throw error;
      }
    });
  }

  /** The member that has it; undefined: it is between two. */
  async #located(owner: PodOwner, context: CallContext): Promise<Member | undefined> {
    this.#begin(context);
    const before = this.#placements.get(owner);
    if (before?.member !== undefined || before?.moving === true) return before.member;
    await timedCall(this.#clock, context, undefined, () => this.#turns.settled(owner.uid));
    const after = this.#placements.get(owner);
    return after?.moving === true ? after.member : this.#find(owner, context);
  }

  /** NotFound only when all of them positively have none. */
  async #find(owner: PodOwner, context: CallContext): Promise<Member> {
    const known = this.#placements.get(owner)?.member;
    if (known !== undefined) return known;
    const answers = await Promise.allSettled(
      this.#members.map(async (member) => {
        const report = await member.provider.getPodStatus(owner, context);
        return this.#placements.seen(member, report);
      }),
    );
    const found = this.#placements.get(owner)?.member;
    if (found !== undefined) return found;
    const faults = answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason] : []));
    throw faults.find((fault) => !isErrorKind(fault, "NotFound")) ?? notFound(owner);
  }

  #forget(placement: Placement): void {
    if (this.#placements.get(placement.owner) === placement) this.#placements.delete(placement.owner);
  }

  #begin({ signal }: CallContext): void {
    signal.throwIfAborted();
    const context = { signal: this.#end.signal, log: this.#log };
    this.#running ??= Promise.all([
      ...this.#members.map((member) =>
        followMember(
          member,
          { clock: this.#clock, lookMs: this.#lookMs },
          (update) => this.#pass(member, update),
          context,
        ),
      ),
      this.#moves.run(this.#end.signal),
    ]);
  }

  #pass(member: Member, update: PodUpdate): void {
    const owner = update.type === "report" ? update.report.owner : update.owner;
    const placement = this.#placements.get(owner);
    if (update.type === "report") {
      member.saw(update.report);
      const report = this.#placements.seen(member, update.report);
      if (report !== undefined && placement?.moving !== true) this.#feed.report({ type: "report", report });
      return;
    }
    if (update.type === "gone") member.lost(owner.uid);
    if (placement?.moving === true || (placement?.member !== undefined && placement.member !== member)) return;
    if (update.type === "event") this.#feed.event(update);
    // What a create may have made comes yet, or its member says that it has none.
    else if (placement?.uncertainSince === undefined) {
      this.#placements.delete(owner);
      this.#feed.gone(owner);
    }
  }

  #tell(owner: PodOwner, reason: string, message: string): void {
    this.#feed.event({ type: "event", owner, eventType: "Normal", reason, message });
  }

  #tellNode(): void {
    for (const changed of this.#nodeChanged) changed();
  }
}

function notFound({ uid }: PodOwner): VirtualKubeletError {
  return new VirtualKubeletError("NotFound", `no member has a pod ${uid}`);
}
