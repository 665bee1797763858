// Programs that end-to-end tests run against the virtual kubelet as they are, built once from pinned Go modules into the user's cache.
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { findKubectlOfVersion } from "../packages/virtual-kubelet/src/testing/binaries.ts";
import {
  cacheDirectory,
  cachedOrBuilt,
  type GoBuildOptions,
} from "../packages/virtual-kubelet/src/testing/go-build.ts";

interface Peer {
  /** Go package; "." for the folder's own program. */
  readonly package: string;
  readonly variables?: Readonly<Record<string, string>>;
  /** Build tags. */
  readonly tags?: string;
}

/** Each has a folder in `peers/` with go.mod and go.sum, and either a main.go or a tools.go that names the package. */
const modules = {
  helm: {
    package: "helm.sh/helm/v3/cmd/helm",
    variables: {
      "helm.sh/helm/v3/internal/version.version": "v3.22.0",
      "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMajor": "1",
      "helm.sh/helm/v3/pkg/lint/rules.k8sVersionMinor": "37",
      "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor": "1",
      "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor": "37",
    },
  },
  "metrics-server": {
    package: "sigs.k8s.io/metrics-server/cmd/metrics-server",
    variables: { "k8s.io/client-go/pkg/version.gitVersion": "v0.9.0" },
  },
  promcheck: { package: "." },
  // Without discovery of services, which is most of it and of no use here.
  promtool: { package: "github.com/prometheus/prometheus/cmd/promtool", tags: "remove_all_sd" },
  "session-manager-plugin": { package: "github.com/aws/session-manager-plugin/src/sessionmanagerplugin-main" },
} as const satisfies Readonly<Record<string, Peer>>;

/** kubectl of a version whatever there is on the PATH; its module is the control plane's. */
const kubectls = { "kubectl-1.36": "1.36.3" } as const;

export type PeerName = keyof typeof modules | keyof typeof kubectls;
export const peerNames: readonly PeerName[] = [
  "helm",
  "promcheck",
  "promtool",
  "metrics-server",
  "kubectl-1.36",
  "session-manager-plugin",
];

/**
 * Absolute path of the program, built where it is not in the cache yet: minutes for the larger ones, so call it before
 * anything that has a deadline. A change in a peer's folder builds it anew.
 */
export async function findPeer(name: PeerName, options: GoBuildOptions = {}): Promise<string> {
  if (isKubectl(name)) return findKubectlOfVersion({ ...options, version: kubectls[name] });
  const peer: Peer = modules[name];
  const module = join(import.meta.dirname, "peers", name);
  return cachedOrBuilt(
    {
      title: name,
      package: peer.package,
      module,
      file: join(cacheDirectory(options.env ?? process.env), "peers", `${name}-${await digestOf(module)}`, name),
      variables: peer.variables,
      tags: peer.tags,
    },
    options,
  );
}

function isKubectl(name: PeerName): name is keyof typeof kubectls {
  return name in kubectls;
}

/** Of all files in a folder, names and contents. */
async function digestOf(folder: string): Promise<string> {
  const hash = createHash("sha256");
  for (const name of (await readdir(folder)).sort())
    hash.update(`${name}\0`).update(await readFile(join(folder, name)));
  return hash.digest("hex").slice(0, 12);
}
