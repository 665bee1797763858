// Containers of a group as they are on the wire of Azure Resource Manager. Names are the cloud's own. Types only. Fields that 2023-05-01 lacks say so.
import type { ContainerInstanceView } from "./wire-views.ts";

export interface Container {
  readonly name: string;
  readonly properties: ContainerProperties;
}

export interface ContainerProperties {
  readonly image?: string | undefined;
  /** Replaces the image's entrypoint and arguments. */
  readonly command?: readonly string[] | undefined;
  readonly ports?: readonly ContainerPort[] | undefined;
  readonly environmentVariables?: readonly EnvironmentVariable[] | undefined;
  /** Answers only. */
  readonly instanceView?: ContainerInstanceView | undefined;
  readonly resources?: ResourceRequirements | undefined;
  readonly volumeMounts?: readonly VolumeMount[] | undefined;
  readonly livenessProbe?: ContainerProbe | undefined;
  readonly readinessProbe?: ContainerProbe | undefined;
  readonly securityContext?: SecurityContextDefinition | undefined;
  /** Not in 2023-05-01. */
  readonly configMap?: { readonly keyValuePairs?: Readonly<Record<string, string>> | undefined } | undefined;
}

export interface InitContainerDefinition {
  readonly name: string;
  readonly properties: InitContainerProperties;
}

export interface InitContainerProperties {
  readonly image?: string | undefined;
  readonly command?: readonly string[] | undefined;
  readonly environmentVariables?: readonly EnvironmentVariable[] | undefined;
  /** Answers only. */
  readonly instanceView?: ContainerInstanceView | undefined;
  readonly volumeMounts?: readonly VolumeMount[] | undefined;
  readonly securityContext?: SecurityContextDefinition | undefined;
}

export interface ContainerPort {
  readonly protocol?: "TCP" | "UDP" | undefined;
  readonly port: number;
}

/** One of the values. `secureValue` is never in an answer. */
export interface EnvironmentVariable {
  readonly name: string;
  readonly value?: string | undefined;
  readonly secureValue?: string | undefined;
  /** Name of a SecretReference. Not in 2023-05-01. */
  readonly secureValueReference?: string | undefined;
}

export interface ResourceRequirements {
  readonly requests: ResourceRequests;
  readonly limits?: ResourceLimits | undefined;
}

export interface ResourceRequests {
  /** Decimal gigabytes, in steps of 0.1. */
  readonly memoryInGB: number;
  /** Cores, in steps of 0.01. */
  readonly cpu: number;
  readonly gpu?: GpuResource | undefined;
}

export interface ResourceLimits {
  readonly memoryInGB?: number | undefined;
  readonly cpu?: number | undefined;
  readonly gpu?: GpuResource | undefined;
}

export type GpuSku = "K80" | "P100" | "V100";

export interface GpuResource {
  readonly count: number;
  readonly sku: GpuSku;
}

export interface VolumeMount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean | undefined;
}

export interface ContainerProbe {
  readonly exec?: { readonly command?: readonly string[] | undefined } | undefined;
  readonly httpGet?: ContainerHttpGet | undefined;
  readonly initialDelaySeconds?: number | undefined;
  readonly periodSeconds?: number | undefined;
  readonly failureThreshold?: number | undefined;
  readonly successThreshold?: number | undefined;
  readonly timeoutSeconds?: number | undefined;
}

export interface ContainerHttpGet {
  readonly path?: string | undefined;
  readonly port: number;
  readonly scheme?: "http" | "https" | undefined;
  readonly httpHeaders?:
    | readonly { readonly name?: string | undefined; readonly value?: string | undefined }[]
    | undefined;
}

export interface SecurityContextDefinition {
  readonly privileged?: boolean | undefined;
  readonly allowPrivilegeEscalation?: boolean | undefined;
  readonly capabilities?:
    | { readonly add?: readonly string[] | undefined; readonly drop?: readonly string[] | undefined }
    | undefined;
  readonly runAsGroup?: number | undefined;
  readonly runAsUser?: number | undefined;
  /** Base64 of a profile's JSON. */
  readonly seccompProfile?: string | undefined;
}
