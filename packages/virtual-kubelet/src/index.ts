// The public API of the library: what embeds a virtual kubelet first, then what a provider is written with.

// For programs that run a virtual kubelet.
export type { BudgetSettings, Ceiling } from "./budget/budget-settings.ts";
export { type Clock, pause, systemClock } from "./clock.ts";
export {
  type BackoffLimits,
  type BackoffStep,
  defaultBackoff,
  dueAt as backoffDueAt,
  raised as raisedBackoff,
} from "./engine/backoff.ts";
export type {
  ContainerRef,
  ContainerRuntime,
  ContainerSpec,
  KillRank,
  Mount,
  PulledImage,
  QosClass,
  RuntimeContainer,
  RuntimeSandbox,
  RuntimeStats,
  RuntimeUser,
  SandboxSpec,
} from "./engine/container-runtime.ts";
export { type HookRunnerOptions, hookRunner } from "./engine/hook-run.ts";
export { credentialsFor } from "./engine/image-credentials.ts";
export { engineCapabilities, engineMethods, PodEngine, type PodEngineOptions } from "./engine/pod-engine.ts";
export { ContainerProbes, type ContainerProbesOptions } from "./engine/probe-manager.ts";
export type {
  HookOutcome,
  ProbedRun,
  ProbeListener,
  ProbeManager,
  ProbeResult,
  ProbeType,
  RunHook,
  RunResults,
  RunTarget,
} from "./engine/probe-results.ts";
export { containersToRun, type OrderedContainer } from "./engine/start-order.ts";
// For providers.
export { type ErrorDetails, type ErrorKind, errorText, isErrorKind, VirtualKubeletError } from "./errors.ts";
export { type Identity, identify } from "./identity.ts";
export { type ImageName, parseImageName } from "./image-name.ts";
export { instrumentProvider } from "./instrument-provider.ts";
export type {
  CallOptions,
  DeleteOptions,
  KubeClient,
  ListOptions,
  ObjectList,
  ObjectRef,
  PatchOptions,
  PatchType,
  WatchEvent,
  WatchOptions,
  WriteOptions,
  WrittenMeta,
} from "./kube/client.ts";
export { type ConnectOptions, connect } from "./kube/connect.ts";
export { type Change, Informer, type InformerOptions } from "./kube/informer.ts";
export { compareQuantities, milliUnits, parseQuantity, wholeUnits } from "./kube/quantity.ts";
export {
  configMaps,
  daemonSets,
  deployments,
  endpointSlices,
  events,
  jobs,
  type KubeObject,
  leases,
  namespaces,
  nodes,
  podDisruptionBudgets,
  pods,
  type Resource,
  replicaSets,
  resource,
  type Stored,
  secrets,
  serviceAccounts,
  services,
  statefulSets,
} from "./kube/resource.ts";
export type {
  Container,
  ContainerImage,
  ContainerState,
  ContainerStatus,
  Deployment,
  Event,
  Job,
  Lease,
  Node,
  NodeAddress,
  NodeCondition,
  NodeSystemInfo,
  ObjectMeta,
  Pod,
  PodCondition,
  PodSpec,
  PodStatus,
  Quantity,
  ResourceRequirements,
  Taint,
  Time,
  Toleration,
} from "./kube/types.gen.ts";
export type { KubeletApiOptions } from "./kubelet-api.ts";
export { type Logger, silentLogger } from "./log.ts";
export { createMetrics, type Metrics } from "./metrics.ts";
export { providerTaint } from "./node/node-object.ts";
export type { BilledSize, Prices, PriceTable, PriceTables, PriceVariant } from "./provider/billing.ts";
export type { Capabilities, PodFeature, VolumeKind } from "./provider/capabilities.ts";
export type { ProviderCheck } from "./provider/check.ts";
export type { NodeReport } from "./provider/node.ts";
export type { ContainerReport, PodFailure, PodOwner, PodReport, PodRequest, PodUpdate } from "./provider/pods.ts";
export type {
  ContainerIO,
  ContainerLogOptions,
  ContainerLogs,
  ContainerTarget,
  ExecResult,
  PodTarget,
  TerminalSize,
} from "./provider/streams.ts";
export type {
  CallContext,
  CheckProvider,
  CreateProvider,
  DescribeProvider,
  Provider,
  ProviderDescription,
  ProviderInit,
  ProviderMethod,
} from "./provider.ts";
export type {
  ClaimedVolume,
  FileKey,
  ImageCredential,
  LateField,
  LatePart,
  LateText,
  ResolvedContainer,
  ResolvedEnvVar,
  ResolvedFile,
  ResolvedMount,
  ResolvedPod,
  ResolvedVolume,
} from "./resolved-pod.ts";
export type { AccessAttributes, AccessDecision, Authenticator, Authorizer, UserInfo } from "./server/access.ts";
export { type AuthenticationOptions, createAuthenticator } from "./server/authentication.ts";
export { type AuthorizationOptions, createAuthorizer, insecureEverythingIsAllowed } from "./server/authorization.ts";
export type { Renewed, ServingCertificate } from "./server/certificate-source.ts";
export { ClientCaConfigMap } from "./server/client-ca-config-map.ts";
export { ClientCaFile } from "./server/client-ca-file.ts";
export type { KubeletServerLimits } from "./server/kubelet-server-options.ts";
export { ServingCertificateFiles } from "./server/serving-certificate-files.ts";
export { RequestedServingCertificate } from "./server/serving-certificate-request.ts";
export { SelfSignedServingCertificate } from "./server/serving-certificate-self-signed.ts";
export { servingNames } from "./server/serving-names.ts";
export type {
  ContainerStats,
  CPUStats,
  FsStats,
  MemoryStats,
  NetworkStats,
  NodeStats,
  PodStats,
  StatsSummary,
} from "./stats-summary.ts";
export { podTotal, type Quantities, quantities } from "./status/pod-resources.ts";
export type { PodSituation } from "./status/pod-situation.ts";
export { podStatus, type StatusInput } from "./status/pod-status.ts";
export { effectivePolicy, isSidecar, type RestartDecision, restartDecision } from "./status/restart-policy.ts";
export { type Health, VirtualKubelet } from "./virtual-kubelet.ts";
export type { PodTunables, VirtualKubeletOptions, VirtualNode } from "./virtual-kubelet-options.ts";
