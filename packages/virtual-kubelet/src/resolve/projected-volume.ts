// The sources of a projected volume: objects, fields, tokens, trust bundles and certificates in one. Pure.
import type {
  PodCertificateProjection,
  ProjectedVolumeSource,
  ServiceAccountTokenProjection,
} from "../kube/types.gen.ts";
import { kinds } from "./object-kinds.ts";
import type { IssuedCertificate } from "./sources.ts";
import { takeTrustBundle } from "./trust-bundle.ts";
import type { VolumeFiles } from "./volume-files.ts";

/** What the API server fills in. */
const defaultTokenSeconds = 3600;

export function takeProjected(files: VolumeFiles, { sources = [] }: ProjectedVolumeSource, path: string): void {
  for (const [index, source] of sources.entries()) {
    const field = `${path}.sources[${index}]`;
    const { configMap, secret, downwardAPI, serviceAccountToken, clusterTrustBundle, podCertificate } = source;
    if (configMap !== undefined)
      files.takeObject(kinds.configMap, configMap.name ?? "", configMap, `${field}.configMap`);
    else if (secret !== undefined) files.takeObject(kinds.secret, secret.name ?? "", secret, `${field}.secret`);
    else if (downwardAPI !== undefined) files.takeFields(downwardAPI.items ?? [], `${field}.downwardAPI`);
    else if (serviceAccountToken !== undefined) takeToken(files, serviceAccountToken, `${field}.serviceAccountToken`);
    else if (clusterTrustBundle !== undefined)
      takeTrustBundle(files, clusterTrustBundle, `${field}.clusterTrustBundle`);
    else if (podCertificate !== undefined) takeCertificate(files, podCertificate, `${field}.podCertificate`);
    else files.refuse(field, "a source of this kind is not supported");
  }
}

function takeToken(
  files: VolumeFiles,
  { audience, expirationSeconds = defaultTokenSeconds, path }: ServiceAccountTokenProjection,
  field: string,
): void {
  const { metadata, spec } = files.input.pod;
  const view = files.input.sources.token({
    namespace: metadata.namespace ?? "",
    serviceAccount: spec?.serviceAccountName || "default",
    podName: metadata.name,
    podUid: metadata.uid,
    audience: audience || undefined,
    expirationSeconds,
  });
  if (view.state === "found")
    files.put(path, Buffer.from(view.value), `${field}.path`, { secret: true, personal: true });
  else if (view.state === "pending") files.wait();
  else files.fail(field, `failed to fetch token: ${view.state === "unreadable" ? view.message : "there is none"}`);
}

function takeCertificate(files: VolumeFiles, source: PodCertificateProjection, field: string): void {
  const { metadata, spec } = files.input.pod;
  const view = files.input.sources.certificate({
    namespace: metadata.namespace ?? "",
    podName: metadata.name,
    podUid: metadata.uid,
    serviceAccount: spec?.serviceAccountName || "default",
    nodeName: spec?.nodeName ?? "",
    signerName: source.signerName,
    keyType: source.keyType,
    maxExpirationSeconds: source.maxExpirationSeconds,
    userAnnotations: source.userAnnotations,
  });
  if (view.state === "pending") files.wait();
  else if (view.state === "absent") files.fail(field, "the API server has no PodCertificateRequests");
  else if (view.state === "unreadable") files.fail(field, view.message);
  else putCertificate(files, source, view.value, field);
}

function putCertificate(
  files: VolumeFiles,
  { credentialBundlePath, keyPath, certificateChainPath }: PodCertificateProjection,
  { key, chain }: IssuedCertificate,
  field: string,
): void {
  const own = { secret: true, personal: true };
  if (credentialBundlePath)
    files.put(credentialBundlePath, Buffer.from(key + chain), `${field}.credentialBundlePath`, own);
  if (keyPath) files.put(keyPath, Buffer.from(key), `${field}.keyPath`, own);
  if (certificateChainPath)
    files.put(certificateChainPath, Buffer.from(chain), `${field}.certificateChainPath`, { personal: true });
}
