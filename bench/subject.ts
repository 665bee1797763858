// Our program as the subject of a bench: started from the build, its figures read from its own metrics and from the kernel.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type KubeClient, nodes } from "@virtual-kubelet/virtual-kubelet";

const program = join(import.meta.dirname, "../packages/virtual-kubelet/bin/virtual-kubelet.js");

export interface Subject extends AsyncDisposable {
  readonly pid: number;
  /** host:port of its metrics. */
  readonly metricsAddress: string;
  /** API requests so far, by "verb resource". */
  apiRequests(): Promise<ReadonlyMap<string, number>>;
}

export interface SubjectOptions {
  readonly kubeconfig: string;
  /** Flags of the program. */
  readonly flags: readonly string[];
  /** Flags of Node.js. */
  readonly node?: readonly string[];
  /** Default: the mock. */
  readonly provider?: string;
  /** InternalIP of its nodes, where the API server looks for the kubelet API; default one where nobody is. */
  readonly nodeIP?: string;
}

export async function startSubject({
  kubeconfig,
  flags,
  node = [],
  provider = "mock",
  nodeIP = "10.0.0.1",
}: SubjectOptions): Promise<Subject> {
  const own = [
    "--kubeconfig",
    kubeconfig,
    "--provider",
    provider,
    "--metrics-addr",
    "127.0.0.1:0",
    "--log-format",
    "json",
    "--kubelet-address",
    "127.0.0.1",
    "--kubelet-port",
    "0",
  ];
  const child = spawn(process.execPath, [...node, program, ...own, ...flags], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, VKUBELET_POD_IP: nodeIP },
  });
  const metrics = await metricsAddress(child.stderr);
  return {
    pid: child.pid ?? 0,
    metricsAddress: new URL(metrics).host,
    apiRequests: () => apiRequests(metrics),
    async [Symbol.asyncDispose]() {
      child.kill("SIGTERM");
      if (child.exitCode === null) await once(child, "exit");
    },
  };
}

/** What was added to a counter of many keys. */
export function difference(
  after: ReadonlyMap<string, number>,
  before: ReadonlyMap<string, number>,
): Map<string, number> {
  const out = new Map<string, number>();
  for (const [key, value] of after) if (value !== (before.get(key) ?? 0)) out.set(key, value - (before.get(key) ?? 0));
  return out;
}

/** Resolves when all of these nodes are Ready. */
export async function untilReady(client: KubeClient, names: readonly string[], limitMs = 300_000): Promise<void> {
  const end = performance.now() + limitMs;
  for (;;) {
    const { items } = await client.list(nodes);
    const ready = new Set(
      items
        .filter((item) => item.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True"))
        .map((item) => item.metadata.name),
    );
    if (names.every((name) => ready.has(name))) return;
    if (performance.now() > end) throw new Error(`only ${ready.size} nodes became ready`);
    await sleep(50);
  }
}

async function metricsAddress(output: NodeJS.ReadableStream): Promise<string> {
  let text = "";
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  output.on("data", (chunk) => {
    text += String(chunk);
    const match = /127\.0\.0\.1:[1-9]\d*/.exec(text.split("\n").find((line) => line.includes("metrics")) ?? "");
    if (match !== null) resolve(`http://${match[0]}/metrics`);
  });
  output.once("end", () => reject(new Error(`the program ended: ${text}`)));
  return promise;
}

async function apiRequests(url: string): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(url)).text();
  const counts = new Map<string, number>();
  for (const line of text.split("\n")) {
    const match = /^virtual_kubelet_api_requests_total\{([^}]*)\} (\d+)/.exec(line);
    if (match === null) continue;
    const label = (name: string): string => new RegExp(`${name}="([^"]*)"`).exec(match[1] ?? "")?.[1] ?? "";
    const key = `${label("verb")} ${label("resource")}`;
    counts.set(key, (counts.get(key) ?? 0) + Number(match[2]));
  }
  return counts;
}
