// The models of the vendor's SDK (api-version 2023-05-01), and what 2025-09-01 added to them: what ModelCheck goes by.
import * as sdk from "@azure/arm-containerinstance";
import * as mappers from "@azure/arm-containerinstance/dist-esm/src/models/mappers.js";
import * as v from "valibot";

/** A mapper of the SDK as far as it is looked at. */
export interface ModelType {
  readonly name: string;
  readonly className?: string | undefined;
  readonly modelProperties?: Readonly<Record<string, ModelProperty>> | undefined;
  readonly element?: { readonly type: ModelType } | undefined;
  readonly value?: { readonly type: ModelType } | undefined;
  readonly allowedValues?: readonly unknown[] | undefined;
}

export interface ModelProperty {
  /** On the wire; dots lead into objects. */
  readonly serializedName: string;
  readonly required?: boolean | undefined;
  readonly readOnly?: boolean | undefined;
  readonly type: ModelType;
}

const type: v.GenericSchema<unknown, ModelType> = v.object({
  name: v.string(),
  className: v.optional(v.string()),
  modelProperties: v.optional(
    v.record(
      v.string(),
      v.object({
        serializedName: v.string(),
        required: v.optional(v.boolean()),
        readOnly: v.optional(v.boolean()),
        type: v.lazy(() => type),
      }),
    ),
  ),
  element: v.optional(v.object({ type: v.lazy(() => type) })),
  value: v.optional(v.object({ type: v.lazy(() => type) })),
  allowedValues: v.optional(v.array(v.unknown())),
});

const text: ModelType = { name: "String" };
const composite = (className: string): ModelType => ({ name: "Composite", className });
const textsByName: ModelType = { name: "Dictionary", value: { type: text } };
const listOf = (element: ModelType): ModelType => ({ name: "Sequence", element: { type: element } });
const made = (className: string, properties: Readonly<Record<string, ModelType>>, required: readonly string[] = []) =>
  [className, modelOf(className, properties, required)] as const;

function modelOf(
  className: string,
  properties: Readonly<Record<string, ModelType>>,
  required: readonly string[] = [],
): ModelType {
  const entries = Object.entries(properties).map(([serializedName, each]): [string, ModelProperty] => [
    serializedName,
    { serializedName, required: required.includes(serializedName), type: each },
  ]);
  return { name: "Composite", className, modelProperties: Object.fromEntries(entries) };
}

/** By class name; of 2023-05-01. */
export const sdkModels: ReadonlyMap<string, ModelType> = new Map(
  Object.values(mappers).map((mapper) => {
    const parsed = v.parse(v.object({ type }), mapper);
    return [parsed.type.className ?? "", parsed.type];
  }),
);

/** Models that 2025-09-01 has besides. */
export const addedModels: ReadonlyMap<string, ModelType> = new Map([
  made("SecretReference", { name: text, identity: text, secretReferenceUri: text }, [
    "name",
    "identity",
    "secretReferenceUri",
  ]),
  made("IdentityAccessControl", { access: text, identity: text }),
  made("IdentityAcls", { defaultAccess: text, acls: listOf(composite("IdentityAccessControl")) }),
  made("ContainerGroupProfileReferenceDefinition", { id: text, revision: { name: "Number" } }),
  made("StandbyPoolProfileDefinition", { id: text, failContainerGroupCreateOnReuseFailure: { name: "Boolean" } }),
  made("ConfigMap", { keyValuePairs: textsByName }),
]);

/** Fields that 2025-09-01 added to models of 2023-05-01. */
export const addedFields: Readonly<Record<string, readonly ModelProperty[]>> = {
  ContainerGroup: [
    { serializedName: "properties.secretReferences", type: listOf(composite("SecretReference")) },
    { serializedName: "properties.identityAcls", type: composite("IdentityAcls") },
    {
      serializedName: "properties.containerGroupProfile",
      type: composite("ContainerGroupProfileReferenceDefinition"),
    },
    { serializedName: "properties.standbyPoolProfile", type: composite("StandbyPoolProfileDefinition") },
    { serializedName: "properties.isCreatedFromStandbyPool", readOnly: true, type: { name: "Boolean" } },
  ],
  Container: [{ serializedName: "properties.configMap", type: composite("ConfigMap") }],
  EnvironmentVariable: [{ serializedName: "secureValueReference", type: text }],
  ImageRegistryCredential: [{ serializedName: "passwordReference", type: text }],
  Volume: [{ serializedName: "secretReference", type: textsByName }],
  AzureFileVolume: [{ serializedName: "storageAccountKeyReference", type: text }],
};

const values = (known: Readonly<Record<string, string>>): readonly string[] => Object.values(known);

/** By `<model>.<field on the wire>`; the SDK has them beside its models. */
export const knownValues: Readonly<Record<string, readonly string[]>> = {
  "ContainerPort.protocol": values(sdk.KnownContainerNetworkProtocol),
  "Port.protocol": values(sdk.KnownContainerGroupNetworkProtocol),
  "GpuResource.sku": values(sdk.KnownGpuSku),
  "ContainerHttpGet.scheme": values(sdk.KnownScheme),
  "ContainerGroup.properties.restartPolicy": values(sdk.KnownContainerGroupRestartPolicy),
  "ContainerGroup.properties.osType": values(sdk.KnownOperatingSystemTypes),
  "ContainerGroup.properties.sku": values(sdk.KnownContainerGroupSku),
  "ContainerGroup.properties.priority": values(sdk.KnownContainerGroupPriority),
  "IpAddress.type": values(sdk.KnownContainerGroupIpAddressType),
  "IpAddress.autoGeneratedDomainNameLabelScope": values(sdk.KnownDnsNameLabelReusePolicy),
  "LogAnalytics.logType": values(sdk.KnownLogAnalyticsLogType),
  "Operation.origin": values(sdk.KnownContainerInstanceOperationsOrigin),
  "IdentityAcls.defaultAccess": ["All", "System", "User"],
  "IdentityAccessControl.access": ["All", "System", "User"],
};

/** Numbers of the API that have no fractions. */
export const wholeNumbers: ReadonlySet<string> = new Set([
  ...["ContainerPort.port", "Port.port", "ContainerHttpGet.port", "GpuResource.count", "Event.count"],
  ...["ContainerPropertiesInstanceView.restartCount", "InitContainerPropertiesDefinitionInstanceView.restartCount"],
  ...["ContainerState.exitCode", "SecurityContextDefinition.runAsUser", "SecurityContextDefinition.runAsGroup"],
  ...["initialDelaySeconds", "periodSeconds", "failureThreshold", "successThreshold", "timeoutSeconds"].map(
    (field) => `ContainerProbe.${field}`,
  ),
  ...["ContainerExecRequestTerminalSize.rows", "ContainerExecRequestTerminalSize.cols"],
  ...["Usage.currentValue", "Usage.limit", "ContainerGroupProfileReferenceDefinition.revision"],
]);
