// Where each pod of a composite is, and where it goes: the next member that can and may, never a second one while the first may
// have it.
import type { Clock } from "../clock.ts";
import { errorText, VirtualKubeletError } from "../errors.ts";
import { refusals } from "../pod/capabilities.ts";
import type { PodOwner, PodReport, PodRequest } from "../provider/pods.ts";
import type { CallContext } from "../provider.ts";
import type { Member } from "./member.ts";
import { inOrder, type Priced } from "./member-costs.ts";
import { lackOfRoom } from "./room.ts";

export interface Placement {
  readonly owner: PodOwner;
  /** That has it, or may have it. */
  member: Member | undefined;
  /** A create there ended without an answer at this time: it must say that it has none before another is tried. */
  uncertainSince: number | undefined;
  request: PodRequest | undefined;
  /** That is being asked to take it. */
  asked: Member | undefined;
  /** `revision` that its member last said. */
  revision: string | undefined;
  /** Nothing of it runs any more, nor will: it takes no room. */
  over: boolean;
  /** Since when it is there; epoch milliseconds. */
  since: number;
  /** Something of it ran, or runs. */
  started: boolean;
  /** Members that it left because nothing started there, and was not given to since; the first left first. */
  readonly left: Set<Member>;
  /** It is taken from its member, to be given to another; until another has it. */
  moving: boolean;
  /** A move that failed is not tried again before; epoch milliseconds. */
  notBefore: number;
  /** Its end was asked for. */
  ended: boolean;
}

export function newPlacement(owner: PodOwner, now: number): Placement {
  return {
    ...{ owner, member: undefined, uncertainSince: undefined, request: undefined, since: now },
    ...{ asked: undefined, revision: undefined, over: false },
    ...{ started: false, left: new Set(), moving: false, notBefore: 0, ended: false },
  };
}

export interface PlaceOptions extends Priced<Member> {
  readonly clock: Clock;
  /** Of all pods. */
  readonly placements: () => Iterable<Placement>;
}

/**
 * Gives the pod to the first member that takes it, and answers that one. Throws Unsupported when none ever can, else what is to be tried
 * again; Unavailable when one may have taken it without saying so.
 */
export async function place(
  placement: Placement,
  request: PodRequest,
  options: PlaceOptions,
  context: CallContext,
): Promise<Member> {
  placement.request = request;
  if (placement.uncertainSince !== undefined) await settle(placement, options.clock, context);
  if (placement.member !== undefined) {
    await placement.member.provider.createPod(request, context);
    return placement.member;
  }
  const refused: { readonly member: Member; readonly error: VirtualKubeletError }[] = [];
  for (const member of order(placement, request, options)) {
    const [fault] = refusals(request.pod, member.provider.capabilities ?? {});
    const { barred } = member;
    if (fault !== undefined) {
      refused.push({ member, error: new VirtualKubeletError("Unsupported", fault.message, { field: fault.field }) });
      continue;
    }
    if (barred !== undefined) {
      refused.push({ member, error: new VirtualKubeletError("Unavailable", barred) });
      continue;
    }
    const lack = lackOfRoom(placement, request.pod, member, options.placements());
    if (lack !== undefined) {
      refused.push({ member, error: new VirtualKubeletError("Quota", lack) });
      continue;
    }
    // What it shows from now on is no more what was before.
    const wasLeft = placement.left.delete(member);
    placement.asked = member;
    try {
      await member.judged(() => member.provider.createPod(request, context));
      Object.assign(placement, { member, since: options.clock.now() });
      return member;
    } catch (thrown) {
      const error = VirtualKubeletError.from(thrown);
      if (isPositive(error)) {
        if (wasLeft) placement.left.add(member);
        refused.push({ member, error });
      } else {
        Object.assign(placement, { member, uncertainSince: options.clock.now() });
        throw thrown;
      }
    } finally {
      placement.asked = undefined;
    }
  }
  throw combinedRefusal(refused);
}

/** Nothing was made there: it said so. */
function isPositive({ kind }: VirtualKubeletError): boolean {
  return ["Quota", "Throttled", "Unsupported", "Invalid", "Unauthorized", "Forbidden"].includes(kind);
}

function order({ left, owner }: Placement, { pod }: PodRequest, options: PlaceOptions): readonly Member[] {
  // Where nothing of it started, it goes last.
  return [...inOrder(options, pod, owner.uid).filter((member) => !left.has(member)), ...left];
}

/** Asks the member that may have it. Throws Unavailable while that cannot be said. */
export async function settle(placement: Placement, clock: Clock, context: CallContext): Promise<void> {
  const { member, owner, uncertainSince = 0 } = placement;
  if (member === undefined) return;
  const { consistencyDelaySeconds = 0 } = member.provider.capabilities ?? {};
  try {
    await member.provider.getPodStatus(owner, context);
    if (placement.member === member) placement.uncertainSince = undefined;
  } catch (thrown) {
    if (VirtualKubeletError.from(thrown).kind !== "NotFound") throw thrown;
    // Another one has shown it meanwhile, or this one has.
    if (placement.member !== member || placement.uncertainSince === undefined) return;
    const waitMs = uncertainSince + consistencyDelaySeconds * 1000 - clock.now();
    if (waitMs > 0) {
      const message = `${member.name} may have taken the pod, and has not shown it yet`;
      throw new VirtualKubeletError("Unavailable", message, { retryAfterMs: waitMs });
    }
    Object.assign(placement, { member: undefined, uncertainSince: undefined });
  }
}

function combinedRefusal(
  refused: readonly { readonly member: Member; readonly error: VirtualKubeletError }[],
): VirtualKubeletError {
  const message = refused.map(({ member, error }) => `${member.name}: ${errorText(error)}`).join("; ");
  const errors = refused.map(({ error }) => error);
  const isFinal = ({ kind }: VirtualKubeletError): boolean => kind === "Unsupported" || kind === "Invalid";
  const field = errors.find((error) => error.field !== undefined)?.field;
  if (errors.every(isFinal))
    return new VirtualKubeletError("Unsupported", `no member can run it: ${message}`, { field });
  const waits = errors.flatMap(({ retryAfterMs }) => (retryAfterMs === undefined ? [] : [retryAfterMs]));
  const kind =
    (["Quota", "Throttled"] as const).find((each) => errors.some((error) => error.kind === each)) ?? "Unavailable";
  const retryAfterMs = waits.length === 0 ? undefined : Math.min(...waits);
  return new VirtualKubeletError(kind, `no member takes it now: ${message}`, { retryAfterMs });
}

/** Something of it ran: it is never moved from there. */
export function hasStarted({ containers }: PodReport): boolean {
  return containers.some(
    ({ state, lastState, restartCount = 0 }) =>
      state.running !== undefined || state.terminated !== undefined || lastState !== undefined || restartCount > 0,
  );
}
