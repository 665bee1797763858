// One container of a simulated pod: its state, when something happens to it, and how its run ends.
import type { ContainerStateTerminated } from "../../kube/types.gen.ts";
import type { ContainerBehaviour, ContainerRole, PodBehaviour } from "./behaviour.ts";
import type { ContainerRun, ContainerRuns } from "./runs.ts";

export const never: number = Number.POSITIVE_INFINITY;

/** Changed by the pod that it is of; all times in epoch milliseconds. */
export interface SimulatedContainer {
  readonly name: string;
  readonly role: ContainerRole;
  image: string;
  behaviour: ContainerBehaviour;
  state: "waiting" | "running" | "terminated";
  /** Waiting in back-off rather than for its turn. */
  backingOff: boolean;
  /** When a waiting container runs; never: its turn has not come. */
  startsAt: number;
  startedAt: number;
  ready: boolean;
  readyAt: number;
  endsAt: number;
  endCode: number;
  stopping: boolean;
  /** Runs begun. */
  runs: number;
  /** Restarts in a row, for the back-off. */
  restartsInRow: number;
  ended: ContainerStateTerminated | undefined;
  endedBefore: ContainerStateTerminated | undefined;
  /** The last two that ended, the newer first. */
  endedRuns: readonly ContainerRun[];
}

export function newContainer(
  name: string,
  role: ContainerRole,
  image: string,
  behaviour: PodBehaviour,
): SimulatedContainer {
  return {
    name,
    role,
    image,
    behaviour: behaviour.container(name),
    state: "waiting",
    backingOff: false,
    startsAt: never,
    startedAt: 0,
    ready: false,
    readyAt: never,
    endsAt: never,
    endCode: 0,
    stopping: false,
    runs: 0,
    restartsInRow: 0,
    ended: undefined,
    endedBefore: undefined,
    endedRuns: [],
  };
}

/** Its runs as they are told. */
export function runsOfContainer({ name, state, runs, startedAt, endedRuns }: SimulatedContainer): ContainerRuns {
  const [last, before] = endedRuns;
  if (state === "running") return { name, latest: { attempt: runs - 1, startedAt }, previous: last };
  return { name, latest: last, previous: state === "waiting" ? last : before };
}

/** When something happens to it by itself. */
export function dueAt(container: SimulatedContainer): number {
  if (container.state === "waiting") return container.startsAt;
  return container.state === "running" ? Math.min(container.readyAt, container.endsAt) : never;
}

/** When and how the present run ends; `notBefore` holds a changed run time off the past. */
export function setEnd(container: SimulatedContainer, notBefore: number): void {
  const { runTime, failTimes, exitCode } = container.behaviour;
  const fails = container.runs <= failTimes;
  const length = runTime ?? (fails ? 0 : never);
  container.endsAt = Math.max(notBefore, container.startedAt + length);
  container.endCode = fails ? 1 : exitCode;
}
