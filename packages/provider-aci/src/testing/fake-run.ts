// What the runner is told of a container, and what its runs look like in answers. Pure.
import type { RunnerContainer, RunnerState } from "@virtual-kubelet/virtual-kubelet/testing";
import type { Container, ContainerState, InitContainerDefinition } from "../wire.ts";

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
