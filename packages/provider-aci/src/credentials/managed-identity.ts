// Tokens for the identity of the machine or service that this runs on: a virtual machine (IMDS), App Service and container
// instances, a machine under Azure Arc, Cloud Shell.
import { readFile, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { isErrorKind, pause, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { HttpCall } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { TokenTools } from "./service-principal.ts";
import { tokenOf } from "./token-answer.ts";
import type { AccessToken, TokenSource } from "./token-source.ts";

/** Which of its identities; none: the machine's own. */
export interface UserIdentity {
  readonly clientId?: string | undefined;
  readonly objectId?: string | undefined;
  readonly resourceId?: string | undefined;
}

export interface ManagedIdentityOptions {
  readonly identity: UserIdentity;
  /** IDENTITY_ENDPOINT, IDENTITY_HEADER, IMDS_ENDPOINT, MSI_ENDPOINT, AZURE_POD_IDENTITY_AUTHORITY_HOST. */
  readonly env: NodeJS.ProcessEnv;
  /** `https` must go straight, past any proxy. */
  readonly tools: TokenTools;
  /** Without an answer in this time there is no metadata service here; default 3 s. */
  readonly probeMs?: number | undefined;
  /** Where Arc's agent puts its keys. */
  readonly arcKeys?: string | undefined;
}

export function managedIdentity(options: ManagedIdentityOptions): TokenSource {
  const { env } = options;
  const endpoint = env["IDENTITY_ENDPOINT"];
  if (endpoint !== undefined && env["IDENTITY_HEADER"] !== undefined)
    return appService(endpoint, env["IDENTITY_HEADER"], options);
  if (endpoint !== undefined && env["IMDS_ENDPOINT"] !== undefined) return arc(endpoint, options);
  const shell = env["MSI_ENDPOINT"];
  if (shell !== undefined && env["MSI_SECRET"] === undefined) return cloudShell(shell, options);
  return metadataService(options);
}

function appService(endpoint: string, header: string, { identity, tools }: ManagedIdentityOptions): TokenSource {
  const kind = "managed identity (App Service)";
  return {
    kind,
    fetch: (audience, signal) =>
      ask(kind, tools, {
        method: "GET",
        url: urlOf(endpoint, {
          "api-version": "2019-08-01",
          resource: audience,
          ...named(identity, { resourceId: "mi_res_id" }),
        }),
        headers: { "x-identity-header": header },
        signal,
      }),
  };
}

/** The agent gives a secret by a file that only its group may read, and takes it back as the proof. */
function arc(
  endpoint: string,
  { identity, tools, arcKeys = "/var/opt/azcmagent/tokens" }: ManagedIdentityOptions,
): TokenSource {
  const kind = "managed identity (Arc)";
  return {
    kind,
    async fetch(audience, signal) {
      if (Object.values(named(identity, {})).length > 0)
        throw new VirtualKubeletError("Invalid", "machines under Azure Arc have no user-assigned identity");
      const url = urlOf(endpoint, { "api-version": "2020-06-01", resource: audience });
      const first = await tools.https.call({ method: "GET", url, headers: { metadata: "true" }, signal });
      const challenge = first.headers["www-authenticate"];
      const file = /realm=(.+)$/.exec(typeof challenge === "string" ? challenge : "")?.[1]?.replaceAll('"', "");
      if (first.status !== 401 || file === undefined) return tokenOf(first, kind, tools.clock.now());
      const key = await arcKey(file, arcKeys);
      return ask(kind, tools, {
        method: "GET",
        url,
        headers: { metadata: "true", authorization: `Basic ${key}` },
        signal,
      });
    },
  };
}

/** Only what the agent writes: an answer from elsewhere must not have any file read out. */
async function arcKey(file: string, directory: string): Promise<string> {
  const isKey = dirname(file) === directory && basename(file).endsWith(".key");
  if (!isKey || (await stat(file)).size > 4096)
    throw new VirtualKubeletError("Unauthorized", "the Arc agent names a file that is not one of its keys");
  return readFile(file, "utf8");
}

function cloudShell(endpoint: string, { identity, tools }: ManagedIdentityOptions): TokenSource {
  const kind = "managed identity (Cloud Shell)";
  return {
    kind,
    fetch(audience, signal) {
      const form = new URLSearchParams({ resource: audience, ...named(identity, {}) });
      return ask(kind, tools, {
        method: "POST",
        url: endpoint,
        headers: { metadata: "true", "content-type": "application/x-www-form-urlencoded" },
        body: form.toString(),
        signal,
      });
    },
  };
}

/** The first call finds out, in little time, whether there is one. */
function metadataService({ identity, tools, env, probeMs = 3000 }: ManagedIdentityOptions): TokenSource {
  const kind = "managed identity (IMDS)";
  const host = env["AZURE_POD_IDENTITY_AUTHORITY_HOST"] ?? "http://169.254.169.254";
  let isThere = false;
  return {
    kind,
    async fetch(audience, signal) {
      const url = urlOf(`${host}/metadata/identity/oauth2/token`, {
        "api-version": "2018-02-01",
        resource: audience,
        ...named(identity, { resourceId: "msi_res_id" }),
      });
      for (let attempt = 0; ; attempt += 1) {
        try {
          const call: HttpCall = { method: "GET", url, headers: { metadata: "true" }, signal };
          const answer = await tools.https.call(isThere ? call : { ...call, timeoutMs: probeMs });
          isThere = true;
          // The service says 404 and 410 while it starts, too.
          if (![404, 410, 429].includes(answer.status) && answer.status < 500)
            return tokenOf(answer, kind, tools.clock.now());
          if (attempt >= 4) return tokenOf(answer, kind, tools.clock.now());
        } catch (error) {
          if (!isThere && isErrorKind(error, "Unavailable"))
            throw new VirtualKubeletError("Unsupported", "no metadata service answers here", { cause: error });
          throw error;
        }
        await pause(tools.clock, 800 * 2 ** attempt, signal);
      }
    },
  };
}

async function ask(kind: string, tools: TokenTools, call: HttpCall): Promise<AccessToken> {
  return tokenOf(await tools.https.call({ timeoutMs: 30_000, ...call }), kind, tools.clock.now());
}

/** Which identity is meant, in the parameters of the service. */
function named(identity: UserIdentity, names: { readonly resourceId?: string }): Readonly<Record<string, string>> {
  if (identity.clientId !== undefined) return { client_id: identity.clientId };
  if (identity.objectId !== undefined) return { object_id: identity.objectId };
  if (identity.resourceId !== undefined) return { [names.resourceId ?? "mi_res_id"]: identity.resourceId };
  return {};
}

function urlOf(base: string, query: Readonly<Record<string, string>>): string {
  const url = new URL(base);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.toString();
}
