// How groups of the fake look in answers, in the forms that the vendor's SDK has for them. Pure.
import type { Probe, Volume } from "../wire.ts";
import type { ContainerState } from "../wire-answers.ts";
import type { FakeContainer } from "./fake-container.ts";
import { type FakeEvent, secondOf } from "./fake-events.ts";
import type { FakeGroup } from "./fake-group.ts";
import { roundedSize } from "./fake-sizes.ts";

export interface ViewOptions {
  readonly region: string;
  readonly withEvents: boolean;
}

/** Of DescribeContainerGroups. */
export function groupView(group: FakeGroup, { region, withEvents }: ViewOptions): object {
  const { request, status, endedAt } = group;
  const ended = endedAt === undefined ? undefined : secondOf(endedAt);
  const { cpu, memory } = roundedSize(request);
  const { VSwitchId, ZoneId, SecurityGroupId, DnsConfig } = request;
  return {
    ...{ ContainerGroupId: group.id, ContainerGroupName: group.name, RegionId: region, Status: status },
    ...{ ZoneId: ZoneId ?? `${region}-b`, SecurityGroupId, VSwitchId: VSwitchId?.split(",")[0], VpcId: "vpc-fake" },
    ...{ RestartPolicy: request.RestartPolicy ?? "Always", Cpu: cpu, Memory: memory, Tags: group.tags },
    ...{ CreationTime: secondOf(group.createdAt), IntranetIp: group.ip, EniInstanceId: `eni-${group.id.slice(4)}` },
    ...(request.AutoCreateEip === true && group.ip !== undefined && { InternetIp: "203.0.113.1" }),
    ...(status === "Succeeded" && { SucceededTime: ended }),
    ...(status === "Failed" && { FailedTime: ended }),
    ...(status === "Expired" && { ExpiredTime: ended }),
    ...{ RamRoleName: request.RamRoleName, ResourceGroupId: request.ResourceGroupId ?? "rg-fake" },
    ...{ SpotStrategy: request.SpotStrategy ?? "NoSpot", SpotPriceLimit: request.SpotPriceLimit },
    ...{ EphemeralStorage: request.EphemeralStorage, InstanceType: request.InstanceType?.split(",")[0] },
    ...(DnsConfig !== undefined && {
      DnsConfig: { NameServers: DnsConfig.NameServer, Searches: DnsConfig.Search, Options: DnsConfig.Option },
    }),
    HostAliases: (request.HostAliase ?? []).map(({ Ip, Hostname }) => ({ Ip, Hostnames: Hostname })),
    Volumes: (request.Volume ?? []).map(volumeView),
    InitContainers: group.inits.map((each) => ({ ...commonView(each), Command: each.spec.Command })),
    Containers: group.mains.map(containerView),
    Events: withEvents ? group.events.all.map((event) => eventView(group, event)) : [],
  };
}

function commonView(container: FakeContainer): object {
  const { spec, current, previous, restarts, ready } = container;
  return {
    ...{ Name: spec.Name, Image: spec.Image, ImagePullPolicy: spec.ImagePullPolicy, WorkingDir: spec.WorkingDir },
    ...{ Args: spec.Arg, Cpu: spec.Cpu, Memory: spec.Memory, Gpu: spec.Gpu },
    ...{ Ports: spec.Port ?? [], VolumeMounts: (spec.VolumeMount ?? []).map(({ SubPath: _, ...mount }) => mount) },
    EnvironmentVars:
      spec.EnvironmentVarHide === true
        ? []
        : (spec.EnvironmentVar ?? []).map(({ Key, Value, FieldRef }) => ({
            ...{ Key, Value, ...(FieldRef !== undefined && { ValueFrom: { FieldRef } }) },
          })),
    ...{ Ready: ready, RestartCount: restarts, CurrentState: current, PreviousState: previous },
  };
}

function containerView(container: FakeContainer): object {
  const { Command, Tty, Stdin, StdinOnce, LivenessProbe, ReadinessProbe, VolumeMount } = container.spec;
  return {
    ...commonView(container),
    ...{ Commands: Command, Tty: Tty === true, Stdin: Stdin === true, StdinOnce: StdinOnce === true },
    VolumeMounts: VolumeMount ?? [],
    LivenessProbe: LivenessProbe === undefined ? undefined : probeView(LivenessProbe),
    ReadinessProbe: ReadinessProbe === undefined ? undefined : probeView(ReadinessProbe),
  };
}

function probeView({ Exec, ...rest }: Probe): object {
  return { ...rest, Execs: Exec?.Command };
}

function volumeView({ Name, Type, ConfigFileVolume, EmptyDirVolume, NFSVolume }: Volume): object {
  return {
    ...{ Name, Type },
    ...(ConfigFileVolume !== undefined && {
      ConfigFileVolumeConfigFileToPaths: ConfigFileVolume.ConfigFileToPath.map(({ Path, Content }) => ({
        Path,
        Content,
      })),
    }),
    ...(EmptyDirVolume !== undefined && {
      EmptyDirVolumeMedium: EmptyDirVolume.Medium,
      EmptyDirVolumeSizeLimit: EmptyDirVolume.SizeLimit,
    }),
    ...(NFSVolume !== undefined && {
      ...{ NFSVolumeServer: NFSVolume.Server, NFSVolumePath: NFSVolume.Path },
      NFSVolumeReadOnly: NFSVolume.ReadOnly === true,
    }),
  };
}

function eventView(group: FakeGroup, { hash, reason, message, type, count, first, last }: FakeEvent): object {
  return {
    ...{ Name: `${group.name}.${hash}`, Reason: reason, Message: message, Type: type, Count: count },
    ...{ FirstTimestamp: first, LastTimestamp: last },
  };
}

/** Of DescribeContainerGroupEvents, where names are as in Kubernetes. */
export function eventsView(group: FakeGroup, events: readonly FakeEvent[]): object {
  const { id, name } = group;
  return {
    ...{ ContainerGroupId: id, Name: name, Namespace: "default", uuid: id },
    Events: events.map((event) => ({
      ...{ Reason: event.reason, Message: event.message, Type: event.type, Count: event.count },
      ...{ FirstTimestamp: event.first, LastTimestamp: event.last },
      Metadata: { Name: `${name}.${event.hash}`, Namespace: "default" },
      Source: { Component: event.source },
      involvedObject: { ApiVersion: "v1", Kind: "Pod", Name: name, Namespace: "default", Uid: id },
    })),
  };
}

const phases: Readonly<Record<string, string>> = {
  ...{ Running: "Running", Terminating: "Running", Succeeded: "Succeeded" },
  ...{ Failed: "Failed", Expired: "Failed", ScheduleFailed: "Failed" },
};

/** Of DescribeContainerGroupStatus: a status as of Kubernetes. */
export function statusView(group: FakeGroup): object {
  const { id, name, status, ip } = group;
  return {
    ...{ ContainerGroupId: id, Name: name, Namespace: "default", Status: status, uuid: id },
    PodStatus: {
      ...{ Phase: phases[status] ?? "Pending", PodIp: ip, PodIps: ip === undefined ? [] : [{ Ip: ip }] },
      StartTime: secondOf(group.createdAt),
      ContainerStatuses: group.mains.map(({ spec, ready, restarts, current, previous }) => ({
        ...{ Name: spec.Name, Image: spec.Image, Ready: ready, RestartCount: restarts },
        State: stateView(current),
        LastState: previous === undefined ? undefined : stateView(previous),
      })),
    },
  };
}

function stateView({ State, StartTime, FinishTime, ExitCode, Reason, Message }: ContainerState): object {
  if (State === "Running") return { Running: { StartedAtstartedAt: StartTime } };
  if (State === "Waiting") return { Waiting: { Reason, Message } };
  return { Terminated: { StartedAt: StartTime, FinishedAt: FinishTime, ExitCode, Reason, Message } };
}
