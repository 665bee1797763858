// Container groups as they are on the wire of Azure Resource Manager. Names are the cloud's own. Types only. api-version
// 2025-09-01; fields that 2023-05-01 lacks say so.

/** Keys as strings of the cloud's own casing. */
export type Tags = Readonly<Record<string, string>>;

/** What `PUT containerGroups/<name>` takes, and answers with `id`, states and views. */
export interface ContainerGroup {
  /** Answers only, as all of `id`, `name`, `type`. */
  readonly id?: string | undefined;
  readonly name?: string | undefined;
  readonly type?: string | undefined;
  readonly location?: string | undefined;
  readonly tags?: Tags | undefined;
  readonly zones?: readonly string[] | undefined;
  readonly identity?: ContainerGroupIdentity | undefined;
  readonly properties: ContainerGroupProperties;
}

export type ResourceIdentityType = "SystemAssigned" | "UserAssigned" | "SystemAssigned, UserAssigned" | "None";

export interface ContainerGroupIdentity {
  /** Answers only. */
  readonly principalId?: string | undefined;
  /** Answers only. */
  readonly tenantId?: string | undefined;
  readonly type?: ResourceIdentityType | undefined;
  /** By resource id; `{}` in requests. */
  readonly userAssignedIdentities?:
    | Readonly<Record<string, { readonly principalId?: string | undefined; readonly clientId?: string | undefined }>>
    | undefined;
}

export type ContainerGroupProvisioningState =
  | "NotSpecified"
  | "Accepted"
  | "Pending"
  | "Updating"
  | "Creating"
  | "Repairing"
  | "Unhealthy"
  | "Failed"
  | "Canceled"
  | "Succeeded"
  | "Deleting"
  | "NotAccessible"
  | "PreProvisioned";

export interface ContainerGroupProperties {
  /** Answers only: a ContainerGroupProvisioningState, or one that is not known yet. */
  readonly provisioningState?: string | undefined;
  /** Secrets of a key vault, by which variables, passwords and keys are named. Not in 2023-05-01. */
  readonly secretReferences?: readonly SecretReference[] | undefined;
  readonly containers: readonly Container[];
  readonly initContainers?: readonly InitContainerDefinition[] | undefined;
  readonly imageRegistryCredentials?: readonly ImageRegistryCredential[] | undefined;
  readonly restartPolicy?: "Always" | "OnFailure" | "Never" | undefined;
  readonly ipAddress?: IpAddress | undefined;
  readonly osType: "Linux" | "Windows";
  readonly volumes?: readonly Volume[] | undefined;
  /** Answers to GET of one group only, not in lists. */
  readonly instanceView?: GroupInstanceView | undefined;
  readonly diagnostics?: ContainerGroupDiagnostics | undefined;
  readonly subnetIds?: readonly ContainerGroupSubnetId[] | undefined;
  readonly dnsConfig?: DnsConfiguration | undefined;
  readonly sku?: "NotSpecified" | "Standard" | "Dedicated" | "Confidential" | undefined;
  readonly encryptionProperties?: EncryptionProperties | undefined;
  readonly extensions?: readonly DeploymentExtensionSpec[] | undefined;
  readonly confidentialComputeProperties?: { readonly ccePolicy?: string | undefined } | undefined;
  readonly priority?: "Regular" | "Spot" | undefined;
  /** Not in 2023-05-01. */
  readonly identityAcls?: IdentityAcls | undefined;
  /** Not in 2023-05-01. */
  readonly containerGroupProfile?:
    | { readonly id?: string | undefined; readonly revision?: number | undefined }
    | undefined;
  /** Not in 2023-05-01. */
  readonly standbyPoolProfile?:
    | { readonly id?: string | undefined; readonly failContainerGroupCreateOnReuseFailure?: boolean | undefined }
    | undefined;
  /** Answers only. Not in 2023-05-01. */
  readonly isCreatedFromStandbyPool?: boolean | undefined;
}

export interface SecretReference {
  readonly name: string;
  /** Resource id of the managed identity that may read it. */
  readonly identity: string;
  readonly secretReferenceUri: string;
}

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

/** `identity` (a resource id), or user and password. The password is never in an answer. */
export interface ImageRegistryCredential {
  readonly server: string;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Name of a SecretReference. Not in 2023-05-01. */
  readonly passwordReference?: string | undefined;
  readonly identity?: string | undefined;
  readonly identityUrl?: string | undefined;
}

export interface IpAddress {
  readonly ports: readonly ContainerPort[];
  readonly type: "Public" | "Private";
  /** Answers, as a rule. */
  readonly ip?: string | undefined;
  readonly dnsNameLabel?: string | undefined;
  readonly autoGeneratedDomainNameLabelScope?:
    | "Unsecure"
    | "TenantReuse"
    | "SubscriptionReuse"
    | "ResourceGroupReuse"
    | "Noreuse"
    | undefined;
  /** Answers only. */
  readonly fqdn?: string | undefined;
}

/** One of the sources. */
export interface Volume {
  readonly name: string;
  readonly azureFile?: AzureFileVolume | undefined;
  readonly emptyDir?: Readonly<Record<string, unknown>> | undefined;
  /** Base64 contents by file name; never in an answer. */
  readonly secret?: Readonly<Record<string, string>> | undefined;
  /** Names of SecretReferences by file name. Not in 2023-05-01. */
  readonly secretReference?: Readonly<Record<string, string>> | undefined;
  readonly gitRepo?:
    | { readonly directory?: string | undefined; readonly repository: string; readonly revision?: string | undefined }
    | undefined;
}

export interface AzureFileVolume {
  readonly shareName: string;
  readonly readOnly?: boolean | undefined;
  readonly storageAccountName: string;
  /** Never in an answer. */
  readonly storageAccountKey?: string | undefined;
  /** Name of a SecretReference. Not in 2023-05-01. */
  readonly storageAccountKeyReference?: string | undefined;
}

export interface ContainerGroupDiagnostics {
  readonly logAnalytics?:
    | {
        readonly workspaceId: string;
        /** Never in an answer. */
        readonly workspaceKey: string;
        readonly logType?: "ContainerInsights" | "ContainerInstanceLogs" | undefined;
        readonly metadata?: Readonly<Record<string, string>> | undefined;
        readonly workspaceResourceId?: string | undefined;
      }
    | undefined;
}

export interface ContainerGroupSubnetId {
  readonly id: string;
  readonly name?: string | undefined;
}

export interface DnsConfiguration {
  readonly nameServers: readonly string[];
  /** Separated by spaces. */
  readonly searchDomains?: string | undefined;
  /** Separated by spaces. */
  readonly options?: string | undefined;
}

export interface EncryptionProperties {
  readonly vaultBaseUrl: string;
  readonly keyName: string;
  readonly keyVersion: string;
  readonly identity?: string | undefined;
}

export interface DeploymentExtensionSpec {
  readonly name: string;
  readonly properties?:
    | {
        readonly extensionType: string;
        readonly version: string;
        readonly settings?: unknown;
        readonly protectedSettings?: unknown;
      }
    | undefined;
}

export interface IdentityAcls {
  readonly defaultAccess?: "All" | "System" | "User" | undefined;
  readonly acls?:
    | readonly { readonly access?: "All" | "System" | "User" | undefined; readonly identity?: string | undefined }[]
    | undefined;
}

export interface GroupInstanceView {
  readonly events?: readonly InstanceEvent[] | undefined;
  /** Pending, Running, Succeeded, Failed, Stopped, Repairing ... */
  readonly state?: string | undefined;
}

export interface ContainerInstanceView {
  readonly restartCount?: number | undefined;
  readonly currentState?: ContainerState | undefined;
  readonly previousState?: ContainerState | undefined;
  readonly events?: readonly InstanceEvent[] | undefined;
}

export interface ContainerState {
  /** Waiting, Running, Terminated ... */
  readonly state?: string | undefined;
  /** RFC 3339, as all times here. */
  readonly startTime?: string | undefined;
  readonly exitCode?: number | undefined;
  readonly finishTime?: string | undefined;
  readonly detailStatus?: string | undefined;
}

export interface InstanceEvent {
  readonly count?: number | undefined;
  readonly firstTimestamp?: string | undefined;
  readonly lastTimestamp?: string | undefined;
  /** Pulling, Pulled, Created, Started, Killing, Failed ... */
  readonly name?: string | undefined;
  readonly message?: string | undefined;
  /** Normal or Warning. */
  readonly type?: string | undefined;
}
