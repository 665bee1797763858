// Which end-to-end suites run on which control plane, by what this machine has, and why the others do not run.
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Skip } from "./test-suite.ts";

/**
 * In CI these run on both control planes: seconds each, and together they ask for most of what the development cluster does. The
 * others take minutes (streams of kubectl, real processes and containers, outages) and would say more of the program than of it.
 */
const onBothInCi: readonly string[] = [
  "access-reviews",
  "bursting",
  "certificates",
  "certificates-program",
  "informer",
  "kubelet-access",
  "kubelet-ports",
  "kubelet-wires",
  "resolve",
  "resolve-certificates",
  "resolve-changes",
  "resolve-outage",
  "scheduling",
  "workloads",
];

/** What no machine without a real control plane runs. */
const onRealOneAlone: readonly string[] = [
  // Custom resources, of which the development cluster has none.
  "chart",
  "chart-install",
  // About a real one.
  "control-plane",
  "dev-traffic",
];

export interface Machine {
  /** Why there is no real control plane here; undefined where there is one. */
  readonly noControlPlane: string | undefined;
  /** Why the programs that Go builds for tests are not all there; undefined where they are. */
  readonly noPeers: string | undefined;
  /** Why there is no browser; undefined where there is one. */
  readonly noBrowser: string | undefined;
  /** Why processes cannot have namespaces of their own here; undefined where they can. */
  readonly noRoot: string | undefined;
  /** Why there are no containers; undefined where there are. */
  readonly noContainers: string | undefined;
  readonly hasKubectl: boolean;
  /** Nothing may be left out. */
  readonly isCi: boolean;
}

export interface Wish {
  /** Absolute paths. */
  readonly files: readonly string[];
  /** They were asked for by name. */
  readonly areNamed: boolean;
  /** No real control plane, even if there is one. */
  readonly devClusterOnly: boolean;
}

export interface Plan {
  readonly real: readonly string[];
  readonly devCluster: readonly string[];
  readonly skips: readonly Skip[];
}

export function planEndToEnd({ files, areNamed, devClusterOnly }: Wish, machine: Machine): Plan {
  const skips: Skip[] = [];
  let left = files;
  const leaveOut = (title: string, reason: string | undefined, are: (file: string) => boolean): void => {
    const out = reason === undefined ? [] : left.filter(are);
    if (reason === undefined || out.length === 0) return;
    left = left.filter((file) => !out.includes(file));
    skips.push({ title: `${title}: ${out.map(nameOf).join(", ")}`, reason });
  };
  leaveOut("in a browser", machine.noBrowser, (file) => needs("browser-program.ts", file));
  leaveOut("in containers", machine.noContainers, (file) => needs("podman.ts", file));
  leaveOut("as processes", machine.noRoot, (file) => needs("process-bench.ts", file));

  const noReal = devClusterOnly ? "only the development cluster is asked for" : machine.noControlPlane;
  if (noReal === undefined) {
    leaveOut("with programs that Go builds", machine.noPeers, (file) => needs("peers.ts", file));
    // Elsewhere the real one says enough.
    const devCluster = machine.isCi ? left.filter((file) => onBothInCi.includes(nameOf(file))) : [];
    return { real: left, devCluster, skips };
  }
  if (!areNamed) {
    leaveOut("on a real control plane", noReal, (file) => onRealOneAlone.includes(nameOf(file)));
    // There, tests with kubectl do with the one that is here.
    const ofGo = (file: string): boolean => needs("peers.ts", file, ["kubectl.ts"]);
    leaveOut("with programs that Go builds", machine.noPeers ?? noReal, ofGo);
  }
  leaveOut(
    "on the development cluster",
    machine.hasKubectl ? undefined : "there is no kubectl on the PATH",
    () => true,
  );
  return { real: [], devCluster: left, skips };
}

function nameOf(file: string): string {
  return basename(file, ".test.ts");
}

/** Whether a suite, or what it imports, is about what this helper finds: programs that Go builds (peers.ts), a browser, containers. */
function needs(helper: string, file: string, not: readonly string[] = [], seen: Set<string> = new Set()): boolean {
  if (seen.has(file) || not.includes(basename(file))) return false;
  seen.add(file);
  return basename(file) === helper || importsOf(file).some((path) => needs(helper, path, not, seen));
}

const imports = new Map<string, readonly string[]>();

function importsOf(file: string): readonly string[] {
  const known = imports.get(file);
  if (known !== undefined) return known;
  const found = readFileSync(file, "utf8").matchAll(/from "(\.\.?\/[^"]+\.ts)"/g);
  const paths = [...found].map(([, path = ""]) => join(dirname(file), path));
  imports.set(file, paths);
  return paths;
}
