// Where each of the vendor's clouds is.

export interface CloudEndpoints {
  /** Of Azure Resource Manager, without a slash at its end. */
  readonly resourceManager: string;
  /** What tokens for it are asked for. */
  readonly audience: string;
  /** Where tokens come from, without a slash at its end. */
  readonly authority: string;
}

export type CloudName = "AzurePublicCloud" | "AzureUSGovernmentCloud" | "AzureChinaCloud";

/** By the names that Azure's own files and variables use. */
export const clouds: Readonly<Record<CloudName, CloudEndpoints>> = {
  AzurePublicCloud: {
    resourceManager: "https://management.azure.com",
    audience: "https://management.azure.com",
    authority: "https://login.microsoftonline.com",
  },
  AzureUSGovernmentCloud: {
    resourceManager: "https://management.usgovcloudapi.net",
    audience: "https://management.usgovcloudapi.net",
    authority: "https://login.microsoftonline.us",
  },
  AzureChinaCloud: {
    resourceManager: "https://management.chinacloudapi.cn",
    audience: "https://management.chinacloudapi.cn",
    authority: "https://login.chinacloudapi.cn",
  },
};

/** What tokens for registries of the vendor are asked for, in each of its clouds: worth nothing elsewhere. */
export const registryAudience = "https://containerregistry.azure.net";

/** Without regard to case, as azure.json has them; undefined: no such cloud. */
export function cloudNamed(text: string): CloudName | undefined {
  const all: readonly CloudName[] = ["AzurePublicCloud", "AzureUSGovernmentCloud", "AzureChinaCloud"];
  return all.find((name) => name.toLowerCase() === text.trim().toLowerCase());
}
