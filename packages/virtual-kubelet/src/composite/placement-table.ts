// Which member has which pod, by what they say: of two that have one, the second loses it.
import type { Clock } from "../clock.ts";
import { errorText, isErrorKind } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { PodOwner, PodReport, PodRequest } from "../provider/pods.ts";
import type { CallContext } from "../provider.ts";
import { memberAnnotation } from "./config.ts";
import type { Member } from "./member.ts";
import { hasStarted, newPlacement, type Placement } from "./placement.ts";
import { isOver } from "./room.ts";

/** Between the API server's clock and this one. */
const clockSkewMs = 5_000;

/** Whether a process before the one that began at `startedAt` (epoch milliseconds) told of the pod, or may have got it. Pure. */
export function mayBeKnown({ pod: { metadata, status } }: PodRequest, startedAt: number): boolean {
  if (metadata.annotations?.[memberAnnotation] !== undefined || status?.startTime !== undefined) return true;
  return Date.parse(metadata.creationTimestamp ?? "") < startedAt + clockSkewMs;
}

export interface PlacementTableOptions {
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends what is under way. */
  readonly signal: AbortSignal;
}

export class PlacementTable {
  readonly #options: PlacementTableOptions;
  readonly #placements = new Map<string, Placement>();
  /** UIDs, with the member that is to have it no more. */
  readonly #leaving = new Set<string>();

  constructor(options: PlacementTableOptions) {
    this.#options = options;
  }

  get({ uid }: PodOwner): Placement | undefined {
    return this.#placements.get(uid);
  }

  all(): Iterable<Placement> {
    return this.#placements.values();
  }

  /** A new one if need be. */
  of(owner: PodOwner): Placement {
    const before = this.get(owner);
    if (before !== undefined) return before;
    const placement = newPlacement(owner, this.#options.clock.now());
    this.#placements.set(owner.uid, placement);
    return placement;
  }

  delete({ uid }: PodOwner): void {
    this.#placements.delete(uid);
  }

  /** The report as it is passed on; undefined when it does not count, because another member has the pod. */
  seen(member: Member, report: PodReport): PodReport | undefined {
    const placement = this.of(report.owner);
    if (!this.#has(placement, member, report)) return undefined;
    if (hasStarted(report)) placement.started = true;
    placement.revision = report.revision;
    placement.over = isOver(report, placement.request?.pod);
    // What a process before this one was given is asked for again: it says what room the pod takes.
    const known = placement.request === undefined ? { ...report, revision: "" } : report;
    return { ...known, annotations: { ...report.annotations, [memberAnnotation]: member.name } };
  }

  #has(placement: Placement, member: Member, report: PodReport): boolean {
    if (placement.member === member) return true;
    // Where it was may show it for a while.
    if (placement.moving || placement.left.has(member)) return false;
    const { member: other, uncertainSince, started } = placement;
    const isSure = other !== undefined && uncertainSince === undefined;
    // A create whose answer was lost with the process, on a member that was silent when the next one was asked.
    if (isSure && (started || !hasStarted(report))) {
      this.#remove(member, report.owner);
      return false;
    }
    Object.assign(placement, { member, uncertainSince: undefined, since: this.#options.clock.now() });
    // The one that is not sure loses it when it shows it.
    if (isSure) this.#remove(other, report.owner);
    return true;
  }

  #remove(member: Member, owner: PodOwner): void {
    const { log, signal } = this.#options;
    const key = `${owner.uid}/${member.name}`;
    if (this.#leaving.has(key) || signal.aborted) return;
    this.#leaving.add(key);
    log.error({ member: member.name, uid: owner.uid }, "a pod is on two members: it is removed from one");
    const context: CallContext = { signal, log };
    member.provider
      .deletePod(owner, { gracePeriodSeconds: 0 }, context)
      .catch((error: unknown) => {
        if (!signal.aborted && !isErrorKind(error, "NotFound"))
          log.warn({ member: member.name, uid: owner.uid, err: errorText(error) }, "it could not be removed yet");
      })
      .finally(() => this.#leaving.delete(key));
  }
}
