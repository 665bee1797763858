// From the configuration to how the kubelet API is served: certificates, authorities, who may call, limits.
import { VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import type { NodeAddress } from "../kube/types.gen.ts";
import type { KubeletApiOptions } from "../kubelet-api.ts";
import type { Logger } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { createAuthenticator } from "../server/authentication.ts";
import { createAuthorizer, insecureEverythingIsAllowed } from "../server/authorization.ts";
import type { Renewed, ServingCertificate } from "../server/certificate-source.ts";
import { ClientCaConfigMap } from "../server/client-ca-config-map.ts";
import { ClientCaFile } from "../server/client-ca-file.ts";
import { ServingCertificateFiles } from "../server/serving-certificate-files.ts";
import { RequestedServingCertificate } from "../server/serving-certificate-request.ts";
import { SelfSignedServingCertificate } from "../server/serving-certificate-self-signed.ts";
import { servingNames } from "../server/serving-names.ts";
import type { Config } from "./config.ts";
import { flagValues } from "./flag-values.ts";
import { kubeletConfiguration } from "./kubelet-configuration.ts";
import { kubeletVersion } from "./version.ts";

export interface KubeletApiInput {
  readonly config: Config;
  readonly client: KubeClient;
  /** Addresses of a node as it has them now. */
  readonly addresses: (node: string) => readonly NodeAddress[];
  readonly log: Logger;
  readonly metrics: Metrics;
}

/** Undefined when it is not to be served. Throws Invalid with the faults of the files that the configuration names. */
export async function kubeletApiOptions(input: KubeletApiInput): Promise<KubeletApiOptions | undefined> {
  const { config, client, log, metrics } = input;
  const { kubelet, streams } = config;
  if (!kubelet.serve) return undefined;
  for (const warning of insecurities(config)) log.warn({}, warning);
  const serving = await servingCertificates(input);
  const clientCA =
    kubelet.clientCAFile === undefined
      ? new ClientCaConfigMap({ client, log })
      : await ClientCaFile.open({ file: kubelet.clientCAFile, log });
  return {
    sharedPort: kubelet.sharedPort,
    certificate: serving.certificate,
    clientCA,
    background: [...serving.sources, clientCA],
    authenticator: createAuthenticator({
      client,
      metrics,
      tokenCacheMs: kubelet.tokenCacheTTL,
      allowAnonymous: kubelet.insecureAllowAnonymous,
    }),
    authorizer: kubelet.insecureSkipAuthorization
      ? insecureEverythingIsAllowed
      : createAuthorizer({
          client,
          metrics,
          allowedCacheMs: kubelet.accessCacheTTL,
          deniedCacheMs: kubelet.accessDeniedCacheTTL,
        }),
    limits: {
      streamIdleTimeoutMs: streams.idleTimeout,
      streamCreationTimeoutMs: streams.creationTimeout,
      connections: kubelet.maxConnections,
    },
    auditArguments: kubelet.auditArguments,
    configuration: () => kubeletConfiguration(config),
    flags: flagValues(config),
    version: kubeletVersion,
  };
}

function insecurities({ kubelet }: Config): readonly string[] {
  return [
    ...(kubelet.insecureAllowAnonymous
      ? ["insecure: callers of the kubelet API without credentials are taken as system:anonymous"]
      : []),
    ...(kubelet.insecureSkipAuthorization
      ? ["insecure: whoever is known to the kubelet API may read logs and run commands in every pod"]
      : []),
  ];
}

interface Serving {
  readonly certificate: Renewed<ServingCertificate> | ((node: string) => Renewed<ServingCertificate>);
  readonly sources: readonly Renewed<ServingCertificate>[];
}

async function servingCertificates({ config, client, addresses, log }: KubeletApiInput): Promise<Serving> {
  const { certFile, keyFile, certDir, serverTLSBootstrap, sharedPort } = config.kubelet;
  if (certFile !== undefined && keyFile !== undefined) {
    const files = await ServingCertificateFiles.open({ certFile, keyFile, log });
    return { certificate: files, sources: [files] };
  }
  const names = config.nodes.map(({ name }) => name);
  const [first = "virtual-kubelet"] = names;
  const all = () => servingNames(names.flatMap(addresses));
  if (!serverTLSBootstrap) {
    const own = new SelfSignedServingCertificate({ node: first, names: all, certDir, log });
    return { certificate: own, sources: [own] };
  }
  // The signer certifies one node at a time; a shared port shows the first one's, with the addresses of all.
  const requested = new Map(
    (sharedPort ? [first] : names).map((node) => {
      const file = names.length === 1 ? {} : { fileName: `kubelet-server-${node}` };
      const own = (): ReturnType<typeof servingNames> => (sharedPort ? all() : servingNames(addresses(node)));
      return [node, new RequestedServingCertificate({ client, node, names: own, certDir, ...file, log })] as const;
    }),
  );
  return {
    certificate: (node) => {
      const own = requested.get(sharedPort ? first : node);
      if (own === undefined) throw new VirtualKubeletError("Internal", `no node ${node} in the configuration`);
      return own;
    },
    sources: [...requested.values()],
  };
}
