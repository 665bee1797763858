// Container groups as they are on the wire of Elastic Container Instance, API version 2018-08-08: what is asked for. Names are the
// cloud's own; lists are numbered from 1 in the form (`Container.1.Name`). Types only. Answers: wire-answers.ts.

export interface Tag {
  readonly Key: string;
  readonly Value: string;
}

export interface CreateContainerGroupRequest {
  readonly ContainerGroupName: string;
  /** At most 64 characters of ASCII: the same group again for the same one. */
  readonly ClientToken?: string | undefined;
  readonly DryRun?: boolean | undefined;
  readonly ResourceGroupId?: string | undefined;
  /** Several, with commas, to be tried by ScheduleStrategy. */
  readonly VSwitchId?: string | undefined;
  readonly SecurityGroupId?: string | undefined;
  readonly ZoneId?: string | undefined;
  readonly ScheduleStrategy?: string | undefined;
  readonly Tag?: readonly Tag[] | undefined;

  readonly RestartPolicy?: "Always" | "OnFailure" | "Never" | undefined;
  readonly ActiveDeadlineSeconds?: number | undefined;
  readonly TerminationGracePeriodSeconds?: number | undefined;
  readonly ShareProcessNamespace?: boolean | undefined;
  readonly OsType?: "Linux" | "Windows" | undefined;
  readonly CpuArchitecture?: "AMD64" | "ARM64" | undefined;
  /** Cores of the whole group. */
  readonly Cpu?: number | undefined;
  /** GiB of the whole group. */
  readonly Memory?: number | undefined;
  /** Several, with commas, in order of preference. */
  readonly InstanceType?: string | undefined;
  /** general, economy: in order of preference. Newer than the vendor's SDK for JavaScript. */
  readonly ComputeCategory?: readonly string[] | undefined;
  /** Newer than the vendor's SDK for JavaScript. */
  readonly GpuDriverVersion?: string | undefined;
  readonly CpuOptionsCore?: number | undefined;
  readonly CpuOptionsThreadsPerCore?: number | undefined;
  readonly CpuOptionsNuma?: string | undefined;
  /** GiB beyond what is free. */
  readonly EphemeralStorage?: number | undefined;
  readonly SpotStrategy?: "NoSpot" | "SpotAsPriceGo" | "SpotWithPriceLimit" | undefined;
  /** Per hour. */
  readonly SpotPriceLimit?: number | undefined;
  /** Hours that it is kept: 0 or 1. */
  readonly SpotDuration?: number | undefined;
  readonly StrictSpot?: boolean | undefined;
  readonly RamRoleName?: string | undefined;
  readonly OverheadReservationOption?: { readonly EnableOverheadReservation?: boolean | undefined } | undefined;
  readonly CorePattern?: string | undefined;
  readonly ContainerResourceView?: boolean | undefined;
  readonly SecurityContext?: { readonly Sysctl?: readonly NameValue[] | undefined } | undefined;
  readonly HostSecurityContext?: { readonly Sysctl?: readonly NameValue[] | undefined } | undefined;

  readonly HostName?: string | undefined;
  readonly HostAliase?: readonly { readonly Ip: string; readonly Hostname: readonly string[] }[] | undefined;
  readonly DnsPolicy?: string | undefined;
  readonly DnsConfig?: DnsConfig | undefined;
  readonly NtpServer?: readonly string[] | undefined;
  readonly PrivateIpAddress?: string | undefined;
  readonly FixedIp?: string | undefined;
  readonly FixedIpRetainHour?: number | undefined;
  readonly Ipv6AddressCount?: number | undefined;
  readonly Ipv6GatewayBandwidthEnable?: boolean | undefined;
  readonly Ipv6GatewayBandwidth?: string | undefined;
  readonly AutoCreateEip?: boolean | undefined;
  readonly EipInstanceId?: string | undefined;
  readonly EipBandwidth?: number | undefined;
  readonly EipISP?: string | undefined;
  readonly EipCommonBandwidthPackage?: string | undefined;
  /** Bits per second, as EgressBandwidth. */
  readonly IngressBandwidth?: number | undefined;
  readonly EgressBandwidth?: number | undefined;

  readonly ImageSnapshotId?: string | undefined;
  readonly AutoMatchImageCache?: boolean | undefined;
  readonly ImageAccelerateMode?: string | undefined;
  readonly ImageRegistryCredential?:
    | readonly { readonly Server: string; readonly UserName: string; readonly Password: string }[]
    | undefined;
  readonly AcrRegistryInfo?: readonly AcrRegistryInfo[] | undefined;
  /** Hosts, with commas. */
  readonly InsecureRegistry?: string | undefined;
  readonly PlainHttpRegistry?: string | undefined;
  readonly DataCacheBucket?: string | undefined;
  readonly DataCachePL?: string | undefined;
  readonly DataCacheProvisionedIops?: number | undefined;
  readonly DataCacheBurstingEnabled?: boolean | undefined;

  readonly Volume?: readonly Volume[] | undefined;
  readonly InitContainer?: readonly InitContainer[] | undefined;
  readonly Container: readonly Container[];
}

export interface NameValue {
  readonly Name: string;
  readonly Value: string;
}

export interface DnsConfig {
  readonly NameServer?: readonly string[] | undefined;
  readonly Search?: readonly string[] | undefined;
  readonly Option?: readonly { readonly Name: string; readonly Value?: string | undefined }[] | undefined;
}

export interface AcrRegistryInfo {
  readonly InstanceId?: string | undefined;
  readonly InstanceName?: string | undefined;
  readonly RegionId?: string | undefined;
  readonly Domain?: readonly string[] | undefined;
  readonly ArnService?: string | undefined;
  readonly ArnUser?: string | undefined;
}

export interface InitContainer {
  readonly Name: string;
  readonly Image: string;
  readonly ImagePullPolicy?: "Always" | "IfNotPresent" | "Never" | undefined;
  readonly Command?: readonly string[] | undefined;
  readonly Arg?: readonly string[] | undefined;
  readonly WorkingDir?: string | undefined;
  readonly EnvironmentVar?: readonly EnvironmentVar[] | undefined;
  readonly Port?: readonly { readonly Port: number; readonly Protocol: "TCP" | "UDP" }[] | undefined;
  readonly VolumeMount?: readonly VolumeMount[] | undefined;
  /** Cores. */
  readonly Cpu?: number | undefined;
  /** GiB. */
  readonly Memory?: number | undefined;
  readonly Gpu?: number | undefined;
  readonly SecurityContext?: ContainerSecurityContext | undefined;
  readonly TerminationMessagePath?: string | undefined;
  readonly TerminationMessagePolicy?: "File" | "FallbackToLogsOnError" | undefined;
}

export interface Container extends InitContainer {
  /** Variables are not in answers. */
  readonly EnvironmentVarHide?: boolean | undefined;
  readonly Stdin?: boolean | undefined;
  readonly StdinOnce?: boolean | undefined;
  readonly Tty?: boolean | undefined;
  readonly LivenessProbe?: Probe | undefined;
  readonly ReadinessProbe?: Probe | undefined;
  /** Newer than the vendor's SDK for JavaScript. */
  readonly SecurityContextPrivileged?: boolean | undefined;
  readonly SecurityContextRunAsGroup?: number | undefined;
  readonly SecurityContextRunAsNonRoot?: boolean | undefined;
  readonly LifecyclePostStartHandlerExec?: readonly string[] | undefined;
  readonly LifecyclePostStartHandlerHttpGetHost?: string | undefined;
  readonly LifecyclePostStartHandlerHttpGetPort?: number | undefined;
  readonly LifecyclePostStartHandlerHttpGetPath?: string | undefined;
  readonly LifecyclePostStartHandlerHttpGetScheme?: string | undefined;
  readonly LifecyclePostStartHandlerHttpGetHttpHeader?: readonly NameValue[] | undefined;
  readonly LifecyclePostStartHandlerTcpSocketHost?: string | undefined;
  readonly LifecyclePostStartHandlerTcpSocketPort?: number | undefined;
  readonly LifecyclePreStopHandlerExec?: readonly string[] | undefined;
  readonly LifecyclePreStopHandlerHttpGetHost?: string | undefined;
  readonly LifecyclePreStopHandlerHttpGetPort?: number | undefined;
  readonly LifecyclePreStopHandlerHttpGetPath?: string | undefined;
  readonly LifecyclePreStopHandlerHttpGetScheme?: string | undefined;
  readonly LifecyclePreStopHandlerHttpGetHttpHeader?: readonly NameValue[] | undefined;
  readonly LifecyclePreStopHandlerTcpSocketHost?: string | undefined;
  readonly LifecyclePreStopHandlerTcpSocketPort?: number | undefined;
}

/** With Value, or FieldRef: the cloud knows `status.podIP` alone. */
export interface EnvironmentVar {
  readonly Key: string;
  readonly Value?: string | undefined;
  readonly FieldRef?: { readonly FieldPath: string } | undefined;
}

export interface VolumeMount {
  readonly Name: string;
  readonly MountPath: string;
  readonly SubPath?: string | undefined;
  readonly ReadOnly?: boolean | undefined;
  readonly MountPropagation?: string | undefined;
}

export interface ContainerSecurityContext {
  readonly Capability?: { readonly Add?: readonly string[] | undefined } | undefined;
  readonly ReadOnlyRootFilesystem?: boolean | undefined;
  readonly RunAsUser?: number | undefined;
}

/** One of Exec, HttpGet, TcpSocket. */
export interface Probe {
  readonly Exec?: { readonly Command: readonly string[] } | undefined;
  readonly HttpGet?:
    | { readonly Path?: string | undefined; readonly Port: number; readonly Scheme?: "HTTP" | "HTTPS" | undefined }
    | undefined;
  readonly TcpSocket?: { readonly Port: number } | undefined;
  readonly InitialDelaySeconds?: number | undefined;
  readonly PeriodSeconds?: number | undefined;
  readonly TimeoutSeconds?: number | undefined;
  readonly SuccessThreshold?: number | undefined;
  readonly FailureThreshold?: number | undefined;
}

/** Type says which of the others it has. */
export interface Volume {
  readonly Name: string;
  readonly Type: "ConfigFileVolume" | "DiskVolume" | "EmptyDirVolume" | "FlexVolume" | "HostPathVolume" | "NFSVolume";
  readonly ConfigFileVolume?:
    | {
        readonly DefaultMode?: number | undefined;
        readonly ConfigFileToPath: readonly ConfigFileToPath[];
      }
    | undefined;
  readonly DiskVolume?:
    | {
        readonly DiskId?: string | undefined;
        readonly DiskSize?: number | undefined;
        readonly FsType?: string | undefined;
      }
    | undefined;
  readonly EmptyDirVolume?:
    | { readonly Medium?: string | undefined; readonly SizeLimit?: string | undefined }
    | undefined;
  /** Options: JSON. */
  readonly FlexVolume?:
    | { readonly Driver: string; readonly FsType?: string | undefined; readonly Options?: string | undefined }
    | undefined;
  readonly HostPathVolume?: { readonly Path: string; readonly Type?: string | undefined } | undefined;
  readonly NFSVolume?:
    | { readonly Server: string; readonly Path: string; readonly ReadOnly?: boolean | undefined }
    | undefined;
}

export interface ConfigFileToPath {
  readonly Path: string;
  /** Base64. */
  readonly Content: string;
  /** Digits of the octal number: 644 for rw-r--r--. */
  readonly Mode?: number | undefined;
}

/**
 * With IncrementalUpdate what is left out stays as it is; the cloud's default is RenewUpdate, which drops it. Groups that are Pending or
 * Running alone, which are Updating for a while then.
 */
export interface UpdateContainerGroupRequest {
  readonly ContainerGroupId: string;
  readonly ClientToken?: string | undefined;
  readonly UpdateType: "RenewUpdate" | "IncrementalUpdate";
  /** In place of those that it has. */
  readonly Tag?: readonly Tag[] | undefined;
  readonly Container?: readonly Container[] | undefined;
  readonly Volume?: readonly Volume[] | undefined;
}
