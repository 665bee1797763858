// What engines say of containers: checked, and brought to the nouns of the contract. Of each answer no more is asked than is used.
import * as v from "valibot";
import type { ContainerDetails, ContainerSummary, EngineEvent } from "./engine-client.ts";

const strings = v.pipe(
  v.nullish(v.record(v.string(), v.nullish(v.string(), "")), {}),
  v.transform((record) => record ?? {}),
);

export const created: v.GenericSchema<unknown, { readonly Id: string }> = v.object({
  Id: v.pipe(v.string(), v.minLength(1)),
});

export const summaries: v.GenericSchema<unknown, readonly ContainerSummary[]> = v.array(
  v.pipe(
    v.object({ Id: v.string(), Labels: strings, State: v.string() }),
    v.transform(({ Id, Labels, State }) => ({ id: Id, labels: Labels, state: State })),
  ),
);

const text = v.nullish(v.string(), "");
const network = v.object({ IPAddress: text, GlobalIPv6Address: text });

/** Of both APIs: Podman's own has the log's place and the control group in it, and the image's name beside its id. */
const inspected = v.object({
  Id: v.string(),
  Name: v.string(),
  Created: v.string(),
  Image: v.string(),
  ImageName: v.nullish(v.string()),
  RestartCount: v.nullish(v.number(), 0),
  LogPath: text,
  State: v.object({
    Status: v.string(),
    Running: v.boolean(),
    OOMKilled: v.nullish(v.boolean(), false),
    Pid: v.number(),
    ExitCode: v.number(),
    Error: text,
    StartedAt: text,
    FinishedAt: text,
    CgroupPath: text,
  }),
  Config: v.object({
    Image: text,
    Labels: strings,
    Tty: v.nullish(v.boolean(), false),
    OpenStdin: v.nullish(v.boolean(), false),
    StopSignal: v.nullish(v.union([v.string(), v.number()]), ""),
  }),
  HostConfig: v.nullish(v.object({ LogConfig: v.nullish(v.object({ Type: text, Path: text })) })),
  NetworkSettings: v.nullish(
    v.object({ ...network.entries, Networks: v.nullish(v.record(v.string(), v.nullish(network))) }),
  ),
});

/** The signal by which it wants to be stopped: "" where it has no own one. */
export interface InspectedContainer extends ContainerDetails {
  readonly stopSignal: string;
}

export const details: v.GenericSchema<unknown, InspectedContainer> = v.pipe(
  inspected,
  v.transform((container): InspectedContainer => {
    const { State: state, Config: config } = container;
    const log = container.HostConfig?.LogConfig;
    const networks = Object.values(container.NetworkSettings?.Networks ?? {});
    const first = networks.find((each) => each?.IPAddress) ?? container.NetworkSettings;
    return {
      id: container.Id,
      name: container.Name.replace(/^\//, ""),
      labels: config.Labels,
      state: state.Status,
      createdAt: timeOf(container.Created) ?? 0,
      startedAt: timeOf(state.StartedAt),
      finishedAt: timeOf(state.FinishedAt),
      // While Podman stops or pauses it, it says that it does not run.
      running: state.Running || (state.Pid > 0 && ["stopping", "paused"].includes(state.Status)),
      exitCode: state.ExitCode,
      oomKilled: state.OOMKilled,
      error: state.Error,
      pid: state.Pid,
      image: container.ImageName ?? config.Image,
      imageID: container.Image.includes(":") ? container.Image : `sha256:${container.Image}`,
      addresses: [first?.IPAddress ?? "", first?.GlobalIPv6Address ?? ""].filter((address) => address !== ""),
      logPath: log?.Path || container.LogPath,
      logDriver: log?.Type ?? "",
      tty: config.Tty,
      openStdin: config.OpenStdin,
      cgroupPath: state.CgroupPath,
      restartCount: container.RestartCount,
      stopSignal: String(config.StopSignal),
    };
  }),
);

/** Epoch milliseconds; undefined for the year 1, which says that it has not come yet. */
export function timeOf(text: string): number | undefined {
  const time = Date.parse(text);
  return Number.isNaN(time) || time <= 0 ? undefined : time;
}

export const execDetails: v.GenericSchema<
  unknown,
  { readonly running: boolean; readonly exitCode: number | undefined; readonly pid: number }
> = v.pipe(
  v.object({ Running: v.boolean(), ExitCode: v.nullish(v.number()), Pid: v.nullish(v.number(), 0) }),
  v.transform(({ Running, ExitCode, Pid }) => ({
    running: Running,
    exitCode: Running || ExitCode === null ? undefined : ExitCode,
    pid: Pid,
  })),
);

/** Podman has names of its own for some. */
const actions: Readonly<Record<string, string>> = {
  died: "die",
  remove: "destroy",
  exec_died: "exec_die",
};

export const event: v.GenericSchema<unknown, EngineEvent> = v.pipe(
  v.object({ Type: v.string(), Action: v.string(), Actor: v.object({ ID: v.string(), Attributes: strings }) }),
  v.transform(({ Type, Action, Actor }) => ({
    type: Type,
    action: actions[Action] ?? Action,
    id: Actor.ID,
    attributes: Actor.Attributes,
  })),
);
