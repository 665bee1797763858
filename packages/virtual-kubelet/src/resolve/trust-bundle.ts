// The CA certificates of ClusterTrustBundles as one file: chosen by name or by signer and labels, merged, each once. Pure.
import type { ClusterTrustBundleProjection, LabelSelector } from "../kube/types.gen.ts";
import type { ClusterTrustBundle } from "./sources.ts";
import type { VolumeFiles } from "./volume-files.ts";

export function takeTrustBundle(
  files: VolumeFiles,
  { name, signerName, labelSelector, optional = false, path }: ClusterTrustBundleProjection,
  field: string,
): void {
  const view = files.input.sources.trustBundles();
  if (view.state === "pending") {
    files.wait();
    return;
  }
  if (view.state === "unreadable") {
    files.fail(field, `cluster trust bundles cannot be read: ${view.message}`);
    return;
  }
  if (view.state === "absent" && !optional) {
    files.fail(field, "the API server has no ClusterTrustBundles");
    return;
  }
  const all = view.state === "found" ? [...view.value] : [];
  const chosen =
    name === undefined
      ? all.filter(({ metadata, spec }) => spec?.signerName === signerName && selects(labelSelector, metadata?.labels))
      : all.filter(({ metadata }) => metadata?.name === name);
  const what = name === undefined ? `of signer "${signerName ?? ""}"` : `"${name}"`;
  if (chosen.length === 0 && !optional) files.fail(field, `clustertrustbundle ${what} not found`);
  else files.put(path, Buffer.from(certificatesOf(chosen).join("")), `${field}.path`, {});
}

/** PEM blocks, sorted, each once whatever surrounds it. */
function certificatesOf(bundles: readonly ClusterTrustBundle[]): readonly string[] {
  const blocks = new Set<string>();
  for (const { spec } of bundles) {
    const text = spec?.trustBundle ?? "";
    for (const [, body = ""] of text.matchAll(/-----BEGIN CERTIFICATE-----([^-]*)-----END CERTIFICATE-----/g))
      blocks.add(body.replaceAll(/\s/g, ""));
  }
  return [...blocks].sort().map((body) => {
    const lines = body.match(/.{1,64}/g) ?? [];
    return `-----BEGIN CERTIFICATE-----\n${lines.join("\n")}\n-----END CERTIFICATE-----\n`;
  });
}

/** No selector selects nothing, an empty one everything. */
export function selects(selector: LabelSelector | undefined, labels: Readonly<Record<string, string>> = {}): boolean {
  if (selector === undefined) return false;
  const has = (key: string): boolean => Object.hasOwn(labels, key);
  for (const [key, value] of Object.entries(selector.matchLabels ?? {}))
    if (!has(key) || labels[key] !== value) return false;
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key];
    switch (operator) {
      case "In":
        return has(key) && value !== undefined && values.includes(value);
      case "NotIn":
        return !has(key) || value === undefined || !values.includes(value);
      case "Exists":
        return has(key);
      case "DoesNotExist":
        return !has(key);
      default:
        return false;
    }
  });
}
