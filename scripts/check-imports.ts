// Holds the import directions of ARCHITECTURE.md: lower floors never import upper ones, siblings never one another, no cycles.
import { globSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

const source = join(import.meta.dirname, "../packages/virtual-kubelet/src");

/** Which folders (or root files) each folder may import, itself always included. "." stands for the root files of the floor below. */
const ground = ["errors", "log", "clock", "metrics", "trace"];
const allowed: Readonly<Record<string, readonly string[]>> = {
  errors: [],
  log: [],
  clock: [],
  metrics: [],
  trace: [],
  kube: ground,
  streaming: ground,
  "stats-summary": ["kube"],
  "resolved-pod": [],
  "image-name": ["resolved-pod"],
  provider: [...ground, "kube", "stats-summary", "resolved-pod"],
  status: [...ground, "kube", "provider", "resolved-pod"],
  // What pods cost.
  budget: [...ground, "kube", "provider", "status"],
  node: [...ground, "kube", "provider", "stats-summary", "status"],
  pod: [...ground, "kube", "provider", "stats-summary", "resolved-pod", "status", "budget"],
  resolve: [...ground, "kube", "provider", "resolved-pod", "status", "image-name"],
  engine: [...ground, "kube", "provider", "stats-summary", "resolved-pod", "status", "image-name"],
  // The machine that containers are on, for the providers that share it with them.
  host: [...ground, "kube", "provider", "stats-summary", "resolved-pod"],
  // Backends that run whole pods.
  cloud: [...ground, "kube", "provider", "stats-summary", "resolved-pod", "status", "engine", "host"],
  server: [...ground, "kube", "provider", "stats-summary", "status", "streaming"],
  // A runtime of bare containers becomes a provider by the engine.
  providers: [...ground, "kube", "provider", "stats-summary", "resolved-pod", "status", "engine", "host"],
};
/** Assembly and program: may import all of the above and one another; nothing below imports them. */
const top = [
  "index",
  "main",
  "virtual-kubelet",
  "virtual-kubelet-options",
  "assembled-budgets",
  "kubelet-api",
  "identity",
  "program",
  "composite",
  "diagnosis",
  "trial",
  "view",
  "commands",
  "instrument-provider",
];
/** May import anything; only tests import it. */
const testing = "testing";

const floorOf = (file: string): string =>
  (file.split("/")[0] ?? file).replace(/\.(test|gen)?\.?ts$/, "").replace(/\.ts$/, "");
const faults: string[] = [];
const edges = new Map<string, string[]>();
for (const file of globSync("**/*.ts", { cwd: source })) {
  const text = readFileSync(join(source, file), "utf8");
  const from = floorOf(file);
  const isTest = file.endsWith(".test.ts");
  for (const match of text.matchAll(/(?:from|import)\s*\(?\s*"(\.[^"]+)"/g)) {
    const target = relative(source, join(source, dirname(file), match[1] ?? ""));
    const typeOnly = new RegExp(`import type [^;]*from "${(match[1] ?? "").replaceAll(".", "\\.")}"`).test(text);
    if (!typeOnly) edges.set(file, [...(edges.get(file) ?? []), target]);
    const to = floorOf(target);
    if (isTest || from === testing || from === to) continue;
    if (to === testing) faults.push(`${file}: imports ${target}, which only tests may`);
    else if (top.includes(from)) continue;
    else if (top.includes(to)) faults.push(`${file}: imports upwards, ${target}`);
    else if (!(allowed[from] ?? []).includes(to)) faults.push(`${file}: ${from} may not import ${to} (${target})`);
  }
}

/** Other packages import the core by its entries, testing in tests alone, and nothing of their own from outside. */
const packages = join(import.meta.dirname, "../packages");
for (const file of globSync("provider-*/src/**/*.ts", { cwd: packages })) {
  const text = readFileSync(join(packages, file), "utf8");
  const isTest = /\.test\.ts$|\/testing\//.test(file);
  for (const [, target = ""] of text.matchAll(/(?:from|import)\s*\(?\s*"([^"]+)"/g)) {
    const own = join(dirname(file), target);
    if (target.startsWith(".") && own.split("/")[0] !== file.split("/")[0])
      faults.push(`${file}: imports ${target}, which is another package's`);
    const entry = /^@virtual-kubelet\/virtual-kubelet(\/.*)?$/.exec(target);
    if (entry === null) {
      const typeOnly = new RegExp(`import type [^;]*from "${target.replaceAll(".", "\\.")}"`).test(text);
      if (target.startsWith(".") && !typeOnly) edges.set(file, [...(edges.get(file) ?? []), own]);
    } else if (!["", "/host", "/cloud", ...(isTest ? ["/testing"] : [])].includes(entry[1] ?? ""))
      faults.push(`${file}: imports ${target}, which it may not`);
  }
}

/** The development cluster: a file imports its own floor and lower ones; controllers stand on the engine, beside requests. */
const devCluster = join(packages, "dev-cluster/src");
const devClusterFloors: readonly (readonly string[])[] = [
  ["json", "duration", "quantity", "schedule", "certificates"],
  // Documents, and what the API is made of.
  [
    "access",
    "api-data",
    "api-error",
    "conditions",
    "defaults",
    "patches",
    "places",
    "protobuf",
    "schema",
    "selectors",
    "served",
    "strategic-merge",
  ],
  // State.
  ["store", "journal"],
  // What is particular to kinds, and who may do what.
  [
    "admission",
    "authorization",
    "autoscaler-rules",
    "autoscaler-version",
    "confine",
    "deletion",
    "disruption",
    "escalation",
    "event-rules",
    "names",
    "pod-rules",
    "service-rules",
    "strategies",
    "versions",
  ],
  // The engine.
  ["api", "binding"],
  ["controllers"],
  // Requests: who asks, what for, and the answer.
  ["aggregation", "apply", "audit", "authentication", "call", "discovery", "handler", "kubelet-proxy"],
  [
    "openapi",
    "openapi-protobuf",
    "pod-cells",
    "proxy",
    "reading",
    "representation",
    "request-access",
    "resource-metrics",
    "reviews",
    "route",
    "subresources",
  ],
  ["cell", "configuration-cells", "table-cells", "tokens", "watching", "workload-cells", "writing"],
  ["server"],
  ["bootstrap", "dev-cluster", "index"],
];
/** One floor in three lines. */
const requestFloors = [6, 7, 8];
for (const file of globSync("**/*.ts", { cwd: devCluster })) {
  if (file.endsWith(".test.ts") || file.startsWith("testing/")) continue;
  const floorIn = (each: string): number => devClusterFloors.findIndex((floor) => floor.includes(floorOf(each)));
  if (floorIn(file) < 0) faults.push(`dev-cluster/${file}: has no floor in scripts/check-imports.ts`);
  for (const [, path = ""] of readFileSync(join(devCluster, file), "utf8").matchAll(/from "(\.[^"]+)"/g)) {
    const target = join(dirname(file), path);
    const [from, to] = [floorIn(file), floorIn(target)];
    const isBetween = requestFloors.includes(from) && requestFloors.includes(to);
    const intoControllers = floorOf(target) === "controllers" && ![5, devClusterFloors.length - 1].includes(from);
    if ((to > from && !isBetween) || target.startsWith("testing/") || intoControllers)
      faults.push(`dev-cluster/${file}: may not import ${target}`);
    edges.set(`dev-cluster/${file}`, [...(edges.get(`dev-cluster/${file}`) ?? []), `dev-cluster/${target}`]);
  }
}

const state = new Map<string, "open" | "done">();
function visit(file: string, path: readonly string[]): void {
  if (state.get(file) === "done") return;
  if (state.get(file) === "open") {
    faults.push(`cycle: ${[...path.slice(path.indexOf(file)), file].join(" -> ")}`);
    return;
  }
  state.set(file, "open");
  for (const next of edges.get(file) ?? []) visit(next, [...path, file]);
  state.set(file, "done");
}
for (const file of edges.keys()) visit(file, []);

for (const fault of faults) console.error(fault);
console.log(`${edges.size} files, ${faults.length} faults`);
process.exitCode = faults.length === 0 ? 0 : 1;
