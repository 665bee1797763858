// Credentials by what is configured. Made anew after AWS refused them: files and variables are read again then.
import type { fromEnv } from "@aws-sdk/credential-providers";
import type { FargateConfig } from "./config.ts";

/** Asked for each time that the ones before are about to expire. */
export type AwsCredentials = ReturnType<typeof fromEnv>;

export async function credentialsOf({
  credentials,
  region,
  endpoints,
}: Pick<FargateConfig, "credentials" | "region" | "endpoints">): Promise<AwsCredentials> {
  const known = await import("@aws-sdk/credential-providers");
  const clientConfig = { region, ...(endpoints.sts === undefined ? {} : { endpoint: endpoints.sts }) };
  // It would be SSO's, too, which has a region of its own: the chain knows ours from who asks it.
  const files = { ignoreCache: true, ...(endpoints.sts === undefined ? {} : { clientConfig }) };
  switch (credentials.type) {
    case "default":
      return known.fromNodeProviderChain(files);
    case "profile":
      return known.fromIni({ ...files, profile: credentials.profile });
    case "webIdentity": {
      const { roleARN, tokenFile, sessionName } = credentials;
      return known.fromTokenFile({
        clientConfig,
        ...(roleARN === undefined ? {} : { roleArn: roleARN }),
        ...(tokenFile === undefined ? {} : { webIdentityTokenFile: tokenFile }),
        ...(sessionName === undefined ? {} : { roleSessionName: sessionName }),
      });
    }
    case "assumeRole": {
      const { roleARN, externalID, sessionName = "virtual-kubelet" } = credentials;
      return known.fromTemporaryCredentials({
        masterCredentials: known.fromNodeProviderChain(files),
        params: {
          RoleArn: roleARN,
          RoleSessionName: sessionName,
          ...(externalID === undefined ? {} : { ExternalId: externalID }),
        },
        clientConfig,
      });
    }
    case "environment":
      return known.fromEnv();
    case "container":
      // Of ECS, or what Pod Identity of EKS gives.
      return known.fromHttp({});
    case "instance":
      return known.fromInstanceMetadata();
    case "sso":
      return known.fromSSO({
        ignoreCache: true,
        ...(credentials.profile === undefined ? {} : { profile: credentials.profile }),
      });
    case "process":
      return known.fromProcess({
        ...files,
        ...(credentials.profile === undefined ? {} : { profile: credentials.profile }),
      });
  }
}
