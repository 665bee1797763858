// Which account the provider works with: as configured, or by the files and variables of the Go provider; and what such files say of
// subscription, resource group, region and network besides.
import { readFile } from "node:fs/promises";
import { errorText, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { type AzureFile, parseAksFile, parseAuthFile } from "./credentials/azure-files.ts";
import { type Credential, credentialFromEnvironment } from "./credentials/credential.ts";
import type { CredentialsConfig } from "./credentials-config.ts";
import { type Environment, isSettings, present, type Settings } from "./go-config.ts";

/** In the terms of the configuration. `given`: `credentials` of it, not checked yet. Throws Invalid for files that cannot be read. */
export async function accountSettings(env: Environment, given: unknown): Promise<Settings> {
  const file = await fileOf(env, given);
  if (file === undefined) return {};
  return present({
    cloud: file.cloud,
    subscription: file.subscriptionId,
    resourceGroup: file.resourceGroup,
    region: file.location,
    network: present({
      subnet: present({ virtualNetwork: file.vnetName, resourceGroup: file.vnetResourceGroup }),
    }),
  });
}

/** Reads what it is made of; calls nobody. Throws Invalid. */
export async function credentialOf(config: CredentialsConfig, env: NodeJS.ProcessEnv): Promise<Credential> {
  switch (config.type) {
    case "default":
    case "aksFile":
    case "authFile":
      return (await fileOf(env, config))?.credential ?? credentialFromEnvironment(env);
    case "clientSecret": {
      const { type, tenantID: tenantId, clientID: clientId, clientSecretFile } = config;
      // That it can be read is told now; it is read again for each token.
      await contentOf(clientSecretFile, "credentials.clientSecretFile");
      return { type, tenantId, clientId, clientSecret: { file: clientSecretFile } };
    }
    case "clientCertificate": {
      const { type, tenantID: tenantId, clientID: clientId, certificateFile } = config;
      return { type, tenantId, clientId, certificateFile };
    }
    case "managedIdentity":
      return {
        type: "managedIdentity",
        ...(config.clientID !== "" && { clientId: config.clientID }),
        ...(config.resourceID !== "" && { resourceId: config.resourceID }),
      };
    case "workloadIdentity": {
      const tenantId = config.tenantID || (env[webhookVariables.tenantID] ?? "");
      const clientId = config.clientID || (env[webhookVariables.clientID] ?? "");
      const tokenFile = config.tokenFile || (env[webhookVariables.tokenFile] ?? "");
      const missing = [
        ["tenantID", tenantId, webhookVariables.tenantID],
        ["clientID", clientId, webhookVariables.clientID],
        ["tokenFile", tokenFile, webhookVariables.tokenFile],
      ].filter(([, value]) => value === "");
      if (missing.length > 0)
        throw new VirtualKubeletError(
          "Invalid",
          `configuration of the aci provider: ${missing.map(([key, , variable]) => `credentials.${key}: is required, here or by ${variable}`).join("; ")} (in a pod of the cluster the webhook of workload identity sets these variables)`,
        );
      return { type: "workloadIdentity", tenantId, clientId, tokenFile };
    }
    case "commandLine":
      return { type: "azureCli" };
  }
}

const webhookVariables = {
  tenantID: "AZURE_TENANT_ID",
  clientID: "AZURE_CLIENT_ID",
  tokenFile: "AZURE_FEDERATED_TOKEN_FILE",
} as const;

async function fileOf(env: Environment, given: unknown): Promise<AzureFile | undefined> {
  const named = isSettings(given) ? given : {};
  const path = typeof named["file"] === "string" ? named["file"] : "";
  if (named["type"] === "aksFile" && path !== "") return parseAksFile(await contentOf(path, "credentials.file"), path);
  if (named["type"] === "authFile" && path !== "")
    return parseAuthFile(await contentOf(path, "credentials.file"), path);
  if (named["type"] !== undefined && named["type"] !== "default") return undefined;
  const auth = env["AZURE_AUTH_LOCATION"] ?? "";
  const aks = env["AKS_CREDENTIAL_LOCATION"] ?? "";
  const own = auth === "" ? undefined : parseAuthFile(await contentOf(auth, "AZURE_AUTH_LOCATION"), auth);
  const cluster = aks === "" ? undefined : parseAksFile(await contentOf(aks, "AKS_CREDENTIAL_LOCATION"), aks);
  if (own === undefined || cluster === undefined) return own ?? cluster;
  // Who logs in is said by the provider's own file; where, by the cluster's.
  return {
    ...cluster,
    credential: own.credential ?? cluster.credential,
    tenantId: own.tenantId ?? cluster.tenantId,
    subscriptionId: own.subscriptionId ?? cluster.subscriptionId,
  };
}

async function contentOf(path: string, what: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (cause) {
    throw new VirtualKubeletError("Invalid", `${what}: cannot read ${path}: ${errorText(cause)}`, { cause });
  }
}
