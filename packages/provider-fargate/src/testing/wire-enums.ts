// Which members of which shapes are enumerations: the SDK's shapes call them strings, its values stand apart.
import { OrderBy } from "@aws-sdk/client-cloudwatch-logs";
import * as ecs from "@aws-sdk/client-ecs";

type Values = Readonly<Record<string, string>>;

const enumerations: Readonly<Record<string, Readonly<Record<string, Values>>>> = {
  AwsVpcConfiguration: { assignPublicIp: ecs.AssignPublicIp },
  ContainerDependency: { condition: ecs.ContainerCondition },
  DescribeClustersRequest: { include: ecs.ClusterField },
  DescribeLogStreamsRequest: { orderBy: OrderBy },
  DescribeTaskDefinitionRequest: { include: ecs.TaskDefinitionField },
  DescribeTasksRequest: { include: ecs.TaskField },
  EFSAuthorizationConfig: { iam: ecs.EFSAuthorizationConfigIAM },
  EFSVolumeConfiguration: { transitEncryption: ecs.EFSTransitEncryption },
  ListTaskDefinitionsRequest: { status: ecs.TaskDefinitionStatus, sort: ecs.SortOrder },
  ListTasksRequest: { desiredStatus: ecs.DesiredStatus, launchType: ecs.LaunchType },
  LogConfiguration: { logDriver: ecs.LogDriver },
  PortMapping: { protocol: ecs.TransportProtocol },
  RegisterTaskDefinitionRequest: {
    ipcMode: ecs.IpcMode,
    networkMode: ecs.NetworkMode,
    pidMode: ecs.PidMode,
    requiresCompatibilities: ecs.Compatibility,
  },
  ResourceRequirement: { type: ecs.ResourceType },
  RunTaskRequest: { launchType: ecs.LaunchType, propagateTags: ecs.PropagateTags },
  RuntimePlatform: { cpuArchitecture: ecs.CPUArchitecture, operatingSystemFamily: ecs.OSFamily },
  Setting: { name: ecs.SettingName },
  Ulimit: { name: ecs.UlimitName },
  // Of answers.
  Container: { healthStatus: ecs.HealthStatus },
  ManagedAgent: { name: ecs.ManagedAgentName },
  Task: { healthStatus: ecs.HealthStatus, launchType: ecs.LaunchType, stopCode: ecs.TaskStopCode },
  TaskDefinition: { status: ecs.TaskDefinitionStatus },
};

/** The values that a member may have, or undefined where it may have any. */
export function enumerationOf(shape: string, member: string): readonly string[] | undefined {
  const values = enumerations[shape]?.[member];
  return values === undefined ? undefined : Object.values(values);
}
