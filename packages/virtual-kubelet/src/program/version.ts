// Which version this is, and of which Kubernetes it speaks.
import { readFileSync, statSync } from "node:fs";

/** Reported as the kubelet's version; the API types are generated from it. */
const kubernetesVersion = "1.36.3";
export const supportedKubernetes = "1.34 to 1.37";

function packageVersion(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8"));
  const version =
    typeof manifest === "object" && manifest !== null && "version" in manifest ? manifest.version : undefined;
  return typeof version === "string" ? version : "unknown";
}

export const version: string = packageVersion();

/** `status.nodeInfo.kubeletVersion`: readers take its beginning as the version of Kubernetes. */
export const kubeletVersion: string = `v${kubernetesVersion}-vk-${version}`;

export function versionText(): string {
  const { mtime } = statSync(new URL(import.meta.url));
  // Files of an npm package all bear one date of 1985.
  const built = mtime.getUTCFullYear() < 2000 ? "unknown" : mtime.toISOString();
  return `Version: v${version}, Built: ${built}\nNode.js: ${process.version}, Kubernetes: ${supportedKubernetes}\n`;
}

/** Whether it is a version that this program tells of itself, whatever release. */
export function isProgramVersion(text: string): boolean {
  return /^v\d[^-]*-vk-\d/.test(text);
}
