// The files in which clusters of the vendor and installations of the Go provider keep who they are: azure.json, and the one that
// AZURE_AUTH_LOCATION names. Pure.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";
import { type CloudName, cloudNamed } from "../arm/clouds.ts";
import type { Credential } from "./credential.ts";

/** What such a file says. */
export interface AzureFile {
  readonly cloud?: CloudName | undefined;
  /** Absent: the file has none, a managed identity is meant for azure.json. */
  readonly credential?: Credential | undefined;
  readonly tenantId?: string | undefined;
  readonly subscriptionId?: string | undefined;
  readonly resourceGroup?: string | undefined;
  readonly location?: string | undefined;
  readonly vnetName?: string | undefined;
  readonly vnetResourceGroup?: string | undefined;
}

const text = v.optional(v.nullable(v.string()));

const aksFile = v.object({
  cloud: text,
  tenantId: text,
  subscriptionId: text,
  aadClientId: text,
  aadClientSecret: text,
  resourceGroup: text,
  location: text,
  vnetName: text,
  vnetResourceGroup: text,
  userAssignedIdentityID: text,
});

/** AKS_CREDENTIAL_LOCATION. `file` is for messages. */
export function parseAksFile(bytes: Uint8Array, file: string): AzureFile {
  const from = parsed(aksFile, bytes, file);
  const cloud = given(from.cloud);
  const name = cloud === undefined ? undefined : cloudNamed(cloud);
  if (cloud !== undefined && name === undefined)
    throw new VirtualKubeletError(
      "Invalid",
      `cloud of ${file} is ${cloud}: must be AzurePublicCloud, AzureUSGovernmentCloud or AzureChinaCloud`,
      { field: "cloud" },
    );
  const tenantId = given(from.tenantId);
  return {
    cloud: name,
    credential: aksCredential(from, tenantId),
    tenantId,
    subscriptionId: given(from.subscriptionId),
    resourceGroup: given(from.resourceGroup),
    location: given(from.location),
    vnetName: given(from.vnetName),
    vnetResourceGroup: given(from.vnetResourceGroup),
  };
}

/** "msi" in place of a client, or none: the managed identity of the nodes. */
function aksCredential(from: v.InferOutput<typeof aksFile>, tenantId: string | undefined): Credential {
  const clientId = given(from.aadClientId);
  const clientSecret = given(from.aadClientSecret);
  if (clientId === undefined || clientId === "msi" || clientSecret === undefined || tenantId === undefined)
    return { type: "managedIdentity", clientId: given(from.userAssignedIdentityID) };
  return { type: "clientSecret", tenantId, clientId, clientSecret };
}

const authFile = v.object({
  clientId: text,
  clientSecret: text,
  subscriptionId: text,
  tenantId: text,
  userIdentityClientId: text,
});

/** AZURE_AUTH_LOCATION: UTF-8, or UTF-16 with its mark. `file` is for messages. */
export function parseAuthFile(bytes: Uint8Array, file: string): AzureFile {
  const from = parsed(authFile, bytes, file);
  const [tenantId, clientId, clientSecret] = [given(from.tenantId), given(from.clientId), given(from.clientSecret)];
  const user = given(from.userIdentityClientId);
  const isComplete = tenantId !== undefined && clientId !== undefined && clientSecret !== undefined;
  return {
    credential: isComplete
      ? { type: "clientSecret", tenantId, clientId, clientSecret }
      : user === undefined
        ? undefined
        : { type: "managedIdentity", clientId: user },
    tenantId,
    subscriptionId: given(from.subscriptionId),
  };
}

function given(value: string | null | undefined): string | undefined {
  const trimmed = value?.trim();
  return trimmed === undefined || trimmed === "" ? undefined : trimmed;
}

function parsed<T>(schema: v.GenericSchema<unknown, T>, bytes: Uint8Array, file: string): T {
  let value: unknown;
  try {
    value = JSON.parse(decoded(bytes));
  } catch {
    // Not quoted: it holds a secret.
    throw new VirtualKubeletError("Invalid", `${file} is not JSON in UTF-8 or UTF-16`);
  }
  const result = v.safeParse(schema, value);
  if (result.success) return result.output;
  const fields = result.issues.map((issue) => v.getDotPath(issue) ?? "the whole").join(", ");
  throw new VirtualKubeletError("Invalid", `${file}: must be strings in an object: ${fields}`, { field: fields });
}

function decoded(bytes: Uint8Array): string {
  const [first, second] = bytes;
  const encoding =
    first === 0xff && second === 0xfe ? "utf-16le" : first === 0xfe && second === 0xff ? "utf-16be" : "utf-8";
  return new TextDecoder(encoding, { fatal: true }).decode(bytes);
}
