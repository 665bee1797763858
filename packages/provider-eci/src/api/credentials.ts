// Keys of an account, by the vendor's library: it renews those that are for a while. What it says of failures holds answers of token
// services, so it is not passed on.
import * as library from "@alicloud/credentials";
import { type CallContext, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { CredentialsConfig } from "../credentials-config.ts";
import type { Keys } from "./acs-request.ts";

export interface KeySource {
  /** Those that hold now. Throws Unauthorized where there are none. */
  keys(context: CallContext): Promise<Keys>;
  /** These were refused: the next are read anew. */
  refused(): void;
}

type Provider = Pick<library.CredentialsProvider, "getCredentials">;

/** `read`: the content of a file. Throws Invalid for what is configured wrongly; asks nobody yet. */
export function keySource(
  config: CredentialsConfig,
  {
    env,
    region,
    read,
  }: { readonly env: NodeJS.ProcessEnv; readonly region: string; readonly read: (path: string) => Promise<string> },
): KeySource {
  let provider: Promise<Provider> | undefined;
  return {
    async keys(context) {
      try {
        provider ??= providerOf(config, env, region, read);
        const found = await withSignal((await provider).getCredentials(), context.signal);
        const { accessKeyId, accessKeySecret, securityToken } = found;
        if (!accessKeyId || !accessKeySecret) throw new Error("the keys are empty");
        return { accessKeyId, accessKeySecret, ...(securityToken ? { securityToken } : {}) };
      } catch (error) {
        provider = undefined;
        if (context.signal.aborted) throw VirtualKubeletError.from(context.signal.reason);
        if (error instanceof VirtualKubeletError) throw error;
        throw new VirtualKubeletError("Unauthorized", `credentials: ${wordsOf(error)} (credentials: ${config.type})`);
      }
    },
    refused() {
      provider = undefined;
    },
  };
}

async function providerOf(
  config: CredentialsConfig,
  env: NodeJS.ProcessEnv,
  region: string,
  read: (path: string) => Promise<string>,
): Promise<Provider> {
  switch (config.type) {
    case "default": {
      // Those of the Go provider.
      const [id, secret] = [env["ECI_ACCESS_KEY"] ?? "", env["ECI_SECRET_KEY"] ?? ""];
      return id !== "" && secret !== "" ? staticKeys(id, secret) : library.DefaultCredentialsProvider.builder().build();
    }
    case "accessKey": {
      const id = config.accessKeyID ?? env["ALIBABA_CLOUD_ACCESS_KEY_ID"] ?? "";
      const secret = (await read(config.secretFile)).trim();
      return staticKeys(id, secret);
    }
    case "sts": {
      const token = (await read(config.tokenFile)).trim();
      const secret = (await read(config.secretFile)).trim();
      return library.StaticSTSCredentialsProvider.builder()
        .withAccessKeyId((await read(config.accessKeyIDFile)).trim())
        .withAccessKeySecret(secret)
        .withSecurityToken(token)
        .build();
    }
    case "instance": {
      const builder = library.ECSRAMRoleCredentialsProvider.builder().withDisableIMDSv1(true);
      return (config.roleName === undefined ? builder : builder.withRoleName(config.roleName)).build();
    }
    case "oidc": {
      const builder = library.OIDCRoleArnCredentialsProvider.builder()
        .withStsRegionId(region)
        .withRoleSessionName(config.sessionName ?? "virtual-kubelet");
      if (config.roleARN !== undefined) builder.withRoleArn(config.roleARN);
      if (config.providerARN !== undefined) builder.withOIDCProviderArn(config.providerARN);
      if (config.tokenFile !== undefined) builder.withOIDCTokenFilePath(config.tokenFile);
      if (config.stsEndpoint !== undefined) builder.withStsEndpoint(config.stsEndpoint);
      return builder.build();
    }
    case "assumeRole": {
      const builder = library.RAMRoleARNCredentialsProvider.builder()
        .withCredentialsProvider(library.DefaultCredentialsProvider.builder().build())
        .withRoleArn(config.roleARN)
        .withStsRegionId(region)
        .withRoleSessionName(config.sessionName ?? "virtual-kubelet");
      if (config.externalID !== undefined) builder.withExternalId(config.externalID);
      if (config.stsEndpoint !== undefined) builder.withStsEndpoint(config.stsEndpoint);
      return builder.build();
    }
    case "profile":
      return library.CLIProfileCredentialsProvider.builder().withProfileName(config.profile).build();
  }
}

function staticKeys(id: string, secret: string): Provider {
  return library.StaticAKCredentialsProvider.builder().withAccessKeyId(id).withAccessKeySecret(secret).build();
}

/** The library takes no signal: what it does goes on to its own time limits, unwatched. */
async function withSignal<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(VirtualKubeletError.from(signal.reason));
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Up to what may be an answer of somebody else. */
function wordsOf(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.split(/[:{\n]|(?:GET|POST) http/)[0]?.slice(0, 200) ?? "";
}
