// The public API: what programs and providers may import. Named by hand.
export { type ErrorDetails, type ErrorKind, isErrorKind, VirtualKubeletError } from "./errors.ts";
export type { LogFields, Logger } from "./log.ts";
export type {
  CallContext,
  Capabilities,
  ContainerReport,
  CreateProvider,
  NodeReport,
  PodFeature,
  PodOwner,
  PodReport,
  PodRequest,
  PodUpdate,
  Provider,
  ProviderInit,
  VolumeKind,
} from "./provider.ts";
