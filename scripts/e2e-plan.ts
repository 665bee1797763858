// Which end-to-end suites run on which control plane, by what this machine has, and why the others do not run.
import { readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Skip } from "./test-suite.ts";

/** Suites that the development cluster carries, or that need none; quick, and without programs that Go builds. */
const onDevCluster: readonly string[] = [
  "access-reviews",
  "bursting",
  "certificates",
  "dev-day",
  "ginkgo-report",
  "progress",
  "resolve",
  "resolve-changes",
  "scheduling",
  "summary",
  "web-view",
  "web-view-pictures",
  "workloads",
];
/** Of these, what runs the same elsewhere, or on both by itself. */
const alwaysOnBoth: ReadonlySet<string> = new Set([
  "dev-day",
  "ginkgo-report",
  "progress",
  "summary",
  "web-view",
  "web-view-pictures",
]);

export interface Machine {
  /** Why there is no real control plane here; undefined where there is one. */
  readonly noControlPlane: string | undefined;
  /** Why the programs that Go builds for tests are not all there; undefined where they are. */
  readonly noPeers: string | undefined;
  /** Why there is no browser; undefined where there is one. */
  readonly noBrowser: string | undefined;
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

export function planEndToEnd(wish: Wish, machine: Machine): Plan {
  const { noBrowser } = machine;
  if (noBrowser === undefined) return planWithBrowser(wish, machine);
  const blind = wish.files.filter((file) => needs("browser-program.ts", file));
  const plan = planWithBrowser({ ...wish, files: wish.files.filter((file) => !blind.includes(file)) }, machine);
  const title = `in a browser: ${blind.map(nameOf).join(", ")}`;
  return blind.length === 0 ? plan : { ...plan, skips: [...plan.skips, { title, reason: noBrowser }] };
}

function planWithBrowser({ files, areNamed, devClusterOnly }: Wish, machine: Machine): Plan {
  const names = (of: readonly string[]): string => of.map(nameOf).join(", ");
  const carried = files.filter((file) => areNamed || onDevCluster.includes(nameOf(file)));
  if (devClusterOnly || machine.noControlPlane !== undefined) {
    const why = devClusterOnly ? "only the development cluster is asked for" : machine.noControlPlane;
    const left = files.filter((file) => !carried.includes(file));
    const skips = left.length === 0 ? [] : [{ title: `on a real control plane: ${names(left)}`, reason: `${why}` }];
    if (machine.hasKubectl || carried.length === 0) return { real: [], devCluster: carried, skips };
    const reason = "there is no kubectl on the PATH";
    return {
      real: [],
      devCluster: [],
      skips: [...skips, { title: `on the development cluster: ${names(carried)}`, reason }],
    };
  }
  const lacking = machine.noPeers === undefined ? [] : files.filter((file) => needs("peers.ts", file));
  const reason = machine.noPeers ?? "";
  return {
    real: files.filter((file) => !lacking.includes(file)),
    // Elsewhere the real one says enough.
    devCluster: machine.isCi
      ? files.filter((file) => onDevCluster.includes(nameOf(file)) && !alwaysOnBoth.has(nameOf(file)))
      : [],
    skips: lacking.length === 0 ? [] : [{ title: `with programs that Go builds: ${names(lacking)}`, reason }],
  };
}

function nameOf(file: string): string {
  return basename(file, ".test.ts");
}

/** Whether a suite, or what it imports, is about what this helper finds: programs that Go builds (peers.ts), a browser. */
function needs(helper: string, file: string, seen: Set<string> = new Set()): boolean {
  if (seen.has(file)) return false;
  seen.add(file);
  if (basename(file) === helper) return true;
  const imported = readFileSync(file, "utf8").matchAll(/from "(\.\/[^"]+\.ts)"/g);
  return [...imported].some(([, path = ""]) => needs(helper, join(dirname(file), path), seen));
}
