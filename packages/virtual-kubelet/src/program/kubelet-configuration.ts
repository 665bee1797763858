// What /configz tells of the configuration, in the words of a KubeletConfiguration. Names of files, never what is in them. Pure.
import type { Config } from "./config.ts";
import { formatDuration } from "./duration.ts";

export function kubeletConfiguration(config: Config): Readonly<Record<string, unknown>> {
  const { kubelet, clusterDomain, clusterDNS, lease, node } = config;
  const { certFile, keyFile, clientCAFile } = kubelet;
  return {
    ...(certFile !== undefined && { tlsCertFile: certFile }),
    ...(keyFile !== undefined && { tlsPrivateKeyFile: keyFile }),
    rotateCertificates: kubelet.rotateCertificates,
    serverTLSBootstrap: kubelet.serverTLSBootstrap,
    authentication: {
      x509: clientCAFile === undefined ? {} : { clientCAFile },
      webhook: { enabled: true, cacheTTL: formatDuration(kubelet.tokenCacheTTL) },
      anonymous: { enabled: kubelet.insecureAllowAnonymous },
    },
    authorization: kubelet.insecureSkipAuthorization
      ? { mode: "AlwaysAllow" }
      : {
          mode: "Webhook",
          webhook: {
            cacheAuthorizedTTL: formatDuration(kubelet.accessCacheTTL),
            cacheUnauthorizedTTL: formatDuration(kubelet.accessDeniedCacheTTL),
          },
        },
    clusterDomain,
    ...(clusterDNS !== undefined && { clusterDNS }),
    nodeStatusReportFrequency: formatDuration(node.statusInterval),
    nodeLeaseDurationSeconds: Math.round(lease.duration / 1000),
  };
}
