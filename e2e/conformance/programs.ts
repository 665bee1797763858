// Kubernetes' own test program and what its images hold, built once from pinned Go modules into the user's cache.
import { join } from "node:path";
import {
  cacheDirectory,
  cachedOrBuilt,
  type GoBuildOptions,
} from "../../packages/virtual-kubelet/src/testing/go-build.ts";

/** Of Kubernetes: the test program and the control plane are of one version. */
export const kubernetesVersion = "1.36.3";

const programs = {
  "e2e.test": { package: "k8s.io/kubernetes/test/e2e", tests: true },
  agnhost: { package: "k8s.io/kubernetes/test/images/agnhost" },
  nonewprivs: { package: "k8s.io/kubernetes/test/images/nonewprivs" },
  ginkgo: { package: "github.com/onsi/ginkgo/v2/ginkgo" },
} as const satisfies Readonly<Record<string, { readonly package: string; readonly tests?: true }>>;

export type ConformanceProgram = keyof typeof programs;

export const conformancePrograms: readonly ConformanceProgram[] = ["e2e.test", "agnhost", "nonewprivs", "ginkgo"];

/** Absolute path of the program. The first build on a machine takes half an hour of a processor. */
export async function findConformanceProgram(name: ConformanceProgram, options: GoBuildOptions = {}): Promise<string> {
  return cachedOrBuilt(
    {
      title: `${name} of Kubernetes ${kubernetesVersion}`,
      module: join(import.meta.dirname, "module"),
      file: join(cacheDirectory(options.env ?? process.env), "conformance", `v${kubernetesVersion}`, name),
      variables: { "k8s.io/component-base/version.gitVersion": `v${kubernetesVersion}` },
      ...programs[name],
    },
    options,
  );
}
