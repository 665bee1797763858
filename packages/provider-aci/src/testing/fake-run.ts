// A container of the fake: how its runs look in answers, its events, and what the runner is told of it.
import type { Clock } from "@virtual-kubelet/virtual-kubelet";
import type { RunnerContainer, RunnerState } from "@virtual-kubelet/virtual-kubelet/testing";
import type { Container, InitContainerDefinition } from "../wire-containers.ts";
import type { ContainerState, InstanceEvent } from "../wire-views.ts";

export class FakeEvents {
  readonly all: InstanceEvent[] = [];
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The same again counts on. */
  tell(name: string, message: string, type: "Normal" | "Warning" = "Normal"): void {
    const now = timeOf(this.#clock.now());
    const index = this.all.findIndex((event) => event.name === name && event.message === message);
    const before = this.all[index];
    if (before === undefined) this.all.push({ count: 1, firstTimestamp: now, lastTimestamp: now, name, message, type });
    else this.all[index] = { ...before, count: (before.count ?? 0) + 1, lastTimestamp: now };
  }
}

export class FakeRun {
  /** Epoch milliseconds of the end of the run before the one that began last; 0: there was none. */
  endBefore = 0;
  restarts = 0;
  current: ContainerState = { state: "Waiting", detailStatus: "" };
  previous: ContainerState | undefined;
  readonly #events: FakeEvents;

  constructor(clock: Clock) {
    this.#events = new FakeEvents(clock);
  }

  get events(): readonly InstanceEvent[] {
    return this.#events.all;
  }

  tell(name: string, message: string, type?: "Normal" | "Warning"): void {
    this.#events.tell(name, message, type);
  }

  /** `why` names the image that is not there. */
  pullFailed(image: string, why: string): void {
    if (!why.includes(image)) return;
    this.tell("Failed", `Failed to pull image "${image}": ${why}`, "Warning");
    this.tell("BackOff", `Back-off pulling image "${image}"`, "Warning");
    this.current = { state: "Waiting", detailStatus: "" };
  }
}

/** With the limit of memory, and the request where there is none. */
export function runnerContainer({ name, properties }: Container | InitContainerDefinition): RunnerContainer {
  const { image = "", command, environmentVariables = [], volumeMounts = [], securityContext } = properties;
  const { runAsUser, runAsGroup } = securityContext ?? {};
  const resources = "resources" in properties ? properties.resources : undefined;
  const memory = resources?.limits?.memoryInGB ?? resources?.requests.memoryInGB;
  return {
    name,
    image,
    ...(command === undefined ? {} : { entrypoint: command, args: [] }),
    env: Object.fromEntries(environmentVariables.map((each) => [each.name, each.value ?? each.secureValue ?? ""])),
    mounts: volumeMounts.map((mount) => ({
      volume: mount.name,
      path: mount.mountPath,
      readOnly: mount.readOnly === true,
    })),
    ...(runAsUser === undefined ? {} : { user: `${runAsUser}${runAsGroup === undefined ? "" : `:${runAsGroup}`}` }),
    ...(memory === undefined ? {} : { memoryLimit: Math.round(memory * 1e9) }),
  };
}

export function terminated(state: RunnerState): ContainerState {
  const exitCode = state.exitCode ?? 0;
  return {
    state: "Terminated",
    ...(state.startedAt === undefined ? {} : { startTime: timeOf(state.startedAt) }),
    exitCode,
    ...(state.finishedAt === undefined ? {} : { finishTime: timeOf(state.finishedAt) }),
    detailStatus: state.oomKilled === true ? "OOMKilled" : exitCode === 0 ? "Completed" : "Error",
  };
}

export function timeOf(milliseconds: number): string {
  return new Date(milliseconds).toISOString();
}
