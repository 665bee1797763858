// Takes pods of which nothing ever started from their members to others: gone from one for sure before the next is asked.
import { type Clock, pause } from "../clock.ts";
import { timedCall } from "../engine/timed-call.ts";
import { errorText, isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { PodOwner, PodReport, PodRequest } from "../provider/pods.ts";
import type { CallContext } from "../provider.ts";
import type { CompositeConfig } from "./config.ts";
import type { InTurn } from "./in-turn.ts";
import type { Member } from "./member.ts";
import { hasStarted, type Placement } from "./placement.ts";
import type { PlacementTable } from "./placement-table.ts";

export interface MovesOptions {
  readonly config: CompositeConfig;
  readonly clock: Clock;
  readonly log: Logger;
  /** Between two looks, milliseconds. */
  readonly lookMs: number;
  readonly turns: InTurn;
  readonly placements: PlacementTable;
  /** Gives it to a member. */
  readonly place: (placement: Placement, request: PodRequest, context: CallContext) => Promise<Member>;
  readonly tell: (owner: PodOwner, reason: string, message: string) => void;
  /** No member has it, nor will. */
  readonly gone: (owner: PodOwner) => void;
}

const callTimeoutMs = 60_000;

export class Moves {
  readonly #options: MovesOptions;

  constructor(options: MovesOptions) {
    this.#options = options;
  }

  /** Until the signal aborts. Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { config, clock, lookMs, placements } = this.#options;
    const afterMs = config.moveAfterSeconds * 1000;
    if (afterMs === 0 || config.members.length < 2) return;
    const underWay = new Map<Placement, Promise<void>>();
    while (!signal.aborted) {
      await pause(clock, Math.min(lookMs, afterMs), signal);
      const now = clock.now();
      for (const placement of placements.all()) {
        const isDue = placement.moving
          ? now >= placement.notBefore
          : isMovable(placement) && placement.since <= now - afterMs;
        // One that hangs holds up no other.
        if (!isDue || underWay.has(placement) || signal.aborted) continue;
        underWay.set(
          placement,
          this.#tried(placement, signal).finally(() => underWay.delete(placement)),
        );
      }
    }
    await Promise.all(underWay.values());
  }

  /** Never rejects. */
  async #tried(placement: Placement, signal: AbortSignal): Promise<void> {
    const { clock, log, turns } = this.#options;
    const context: CallContext = { signal, log };
    const { owner } = placement;
    try {
      await turns.run(owner.uid, context, () => this.#move(placement, context));
    } catch (error) {
      if (signal.aborted) return;
      placement.notBefore = clock.now() + (VirtualKubeletError.from(error).retryAfterMs ?? 0);
      log.warn({ uid: owner.uid, err: errorText(error) }, "a pod could not be moved yet");
    }
  }

  async #move(placement: Placement, context: CallContext): Promise<void> {
    const { placements, tell, gone, clock } = this.#options;
    const { owner, member, request } = placement;
    if (placements.get(owner) !== placement || request === undefined) return;
    if (!placement.moving) {
      if (member === undefined || !isMovable(placement)) return;
      const report = await this.#status(member, owner, context);
      if (report !== undefined && hasStarted(report)) placement.started = true;
      if (!isMovable(placement)) return;
      placement.moving = true;
    }
    if (member !== undefined && placement.uncertainSince === undefined) {
      if (!(await this.#left(placement, member, context))) return;
      if (placement.started) {
        // It began while it was being taken away: it is never run a second time.
        placements.delete(owner);
        gone(owner);
        return;
      }
      tell(owner, "MemberLeft", `nothing started on ${member.name}: it goes to another member`);
    }
    const next = await this.#placed(placement, request, context);
    Object.assign(placement, { moving: false, since: clock.now() });
    tell(owner, "MemberChosen", `runs on ${next.name}`);
  }

  /** Waits for the answer of one whose time is up: only it can say whether it took the pod. */
  async #placed(placement: Placement, request: PodRequest, { signal, log }: CallContext): Promise<Member> {
    const call = new AbortController();
    const overdue = new VirtualKubeletError("Unavailable", `no answer within ${callTimeoutMs / 1000} s`);
    const cancel = this.#options.clock.schedule(callTimeoutMs, () => call.abort(overdue));
    try {
      return await this.#options.place(placement, request, { signal: AbortSignal.any([signal, call.signal]), log });
    } finally {
      cancel();
    }
  }

  /** Asked for again at each try; true when the member positively has nothing of it. */
  async #left(placement: Placement, member: Member, context: CallContext): Promise<boolean> {
    const { clock } = this.#options;
    const { owner } = placement;
    await timedCall(clock, context, callTimeoutMs, async (limited) =>
      member.provider.deletePod(owner, { gracePeriodSeconds: 0 }, limited).catch(absent),
    );
    const report = await this.#status(member, owner, context);
    if (report !== undefined) {
      if (hasStarted(report)) placement.started = true;
      return false;
    }
    member.lost(owner.uid);
    placement.member = undefined;
    placement.left.add(member);
    return true;
  }

  #status(member: Member, owner: PodOwner, context: CallContext): Promise<PodReport | undefined> {
    return timedCall(this.#options.clock, context, callTimeoutMs, async (limited) =>
      member.provider.getPodStatus(owner, limited).catch(absent),
    );
  }
}

/** Nothing of it ran, and nobody wants it gone. */
function isMovable({ member, request, started, ended, uncertainSince }: Placement): boolean {
  return member !== undefined && request !== undefined && !started && !ended && uncertainSince === undefined;
}

function absent(error: unknown): undefined {
  if (!isErrorKind(error, "NotFound")) throw error;
}

/** What is said of a pod between two members. */
export function betweenMembers({ owner, request }: Placement): PodReport {
  return {
    owner,
    revision: request?.revision,
    containers: (request?.pod.spec?.containers ?? []).map(({ name }) => ({
      name,
      state: { waiting: { reason: "Moving", message: "it is taken to another member" } },
    })),
  };
}
