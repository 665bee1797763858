// Which credentials to use: as configured, or as the environment of the process says, in the order of the vendor's own library.
import { type Clock, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { Https, type HttpsOptions } from "@virtual-kubelet/virtual-kubelet/cloud";
import { azureCli, azureDeveloperCli } from "./command-line.ts";
import { managedIdentity, type UserIdentity } from "./managed-identity.ts";
import {
  clientCertificate,
  clientSecret,
  type ServicePrincipal,
  type TokenTools,
  workloadIdentity,
} from "./service-principal.ts";
import { type AccessToken, firstOf, type TokenSource } from "./token-source.ts";

export type Credential =
  | {
      readonly type: "clientSecret";
      readonly tenantId: string;
      readonly clientId: string;
      readonly clientSecret: string | { readonly file: string };
    }
  | {
      readonly type: "clientCertificate";
      readonly tenantId: string;
      readonly clientId: string;
      /** PEM of the certificate and its private key. */
      readonly certificateFile: string;
      readonly password?: string | undefined;
      /** Names and issuers count instead of the one certificate. */
      readonly sendChain?: boolean | undefined;
    }
  | {
      readonly type: "workloadIdentity";
      readonly tenantId: string;
      readonly clientId: string;
      readonly tokenFile: string;
    }
  | ({ readonly type: "managedIdentity" } & UserIdentity)
  | { readonly type: "azureCli" | "azureDeveloperCli"; readonly tenantId?: string | undefined }
  /** The first that this machine has. */
  | { readonly type: "firstOf"; readonly credentials: readonly Credential[] };

/**
 * AZURE_CLIENT_ID, AZURE_TENANT_ID with AZURE_CLIENT_SECRET, or AZURE_CLIENT_CERTIFICATE_PATH, or AZURE_FEDERATED_TOKEN_FILE; else a
 * managed identity (of VIRTUALNODE_USER_IDENTITY_CLIENTID, or AZURE_CLIENT_ID), then who is signed in at az or azd.
 */
export function credentialFromEnvironment(env: NodeJS.ProcessEnv): Credential {
  const value = (name: string): string | undefined => (env[name] === "" ? undefined : env[name]);
  const clientId = value("AZURE_CLIENT_ID");
  const tenantId = value("AZURE_TENANT_ID");
  if (clientId !== undefined && tenantId !== undefined) {
    const secret = value("AZURE_CLIENT_SECRET");
    if (secret !== undefined) return { type: "clientSecret", tenantId, clientId, clientSecret: secret };
    const certificateFile = value("AZURE_CLIENT_CERTIFICATE_PATH");
    if (certificateFile !== undefined)
      return {
        type: "clientCertificate",
        tenantId,
        clientId,
        certificateFile,
        password: value("AZURE_CLIENT_CERTIFICATE_PASSWORD"),
        sendChain: /^(1|true)$/i.test(value("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN") ?? ""),
      };
    const tokenFile = value("AZURE_FEDERATED_TOKEN_FILE");
    if (tokenFile !== undefined) return { type: "workloadIdentity", tenantId, clientId, tokenFile };
  }
  const user = value("VIRTUALNODE_USER_IDENTITY_CLIENTID") ?? clientId;
  return {
    type: "firstOf",
    credentials: [
      { type: "managedIdentity", clientId: user },
      { type: "azureCli", tenantId },
      { type: "azureDeveloperCli", tenantId },
    ],
  };
}

export interface CredentialOptions extends HttpsOptions {
  /** Without a slash at its end. */
  readonly authority: string;
  readonly env: NodeJS.ProcessEnv;
  readonly clock: Clock;
}

/** Who gives tokens for it. Nothing is called yet. Dispose of it in the end. */
export class Credentials implements TokenSource, AsyncDisposable {
  readonly kind: string;
  readonly #source: TokenSource;
  readonly #connections: readonly Https[];

  constructor(credential: Credential, options: CredentialOptions) {
    const https = new Https({ ca: options.ca, env: options.env });
    // Metadata services are on this machine or its network, never behind a proxy.
    const straight = new Https({ ca: options.ca });
    this.#connections = [https, straight];
    this.#source = sourceOf(
      credential,
      options,
      { https, clock: options.clock },
      { https: straight, clock: options.clock },
    );
    this.kind = this.#source.kind;
  }

  /** Throws Unauthorized where credentials are at fault, whatever it is: a pod whose call it was is not. */
  async fetch(audience: string, signal: AbortSignal): Promise<AccessToken> {
    try {
      return await this.#source.fetch(audience, signal);
    } catch (cause) {
      const error = VirtualKubeletError.from(cause);
      if (error.kind !== "Unsupported" && error.kind !== "Invalid") throw error;
      throw new VirtualKubeletError("Unauthorized", `${this.kind}: ${error.message}`, { cause });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#connections.map((each) => each[Symbol.asyncDispose]()));
  }
}

function sourceOf(
  credential: Credential,
  options: CredentialOptions,
  tools: TokenTools,
  straight: TokenTools,
): TokenSource {
  const { env, authority, clock } = options;
  const principal = (of: { readonly tenantId: string; readonly clientId: string }): ServicePrincipal => ({
    authority,
    tenantId: of.tenantId,
    clientId: of.clientId,
  });
  switch (credential.type) {
    case "clientSecret":
      return clientSecret(principal(credential), credential.clientSecret, tools);
    case "clientCertificate":
      return clientCertificate(principal(credential), credential.certificateFile, credential, tools);
    case "workloadIdentity":
      return workloadIdentity(principal(credential), credential.tokenFile, tools);
    case "managedIdentity":
      return managedIdentity({ identity: credential, env, tools: straight });
    case "azureCli":
      return azureCli(credential.tenantId, env, clock);
    case "azureDeveloperCli":
      return azureDeveloperCli(credential.tenantId, env);
    case "firstOf":
      return firstOf(credential.credentials.map((each) => sourceOf(each, options, tools, straight)));
  }
}
