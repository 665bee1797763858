// One user of a day with kubectl: how they type, and what they write down.
import assert from "node:assert/strict";
import { eventually, type Harness } from "./harness.ts";
import { type Client, type Ended, runKubectl } from "./kubectl.ts";
import type { MockNode } from "./mock-node.ts";
import type { ProcessSubject } from "./semantics.ts";

/** What a day is spent with. */
export interface DayBench {
  readonly harness: Harness;
  /** Of the node whose pods are processes. */
  readonly subject: ProcessSubject;
  /** The other node. */
  readonly spare: MockNode;
}

export interface DayUser {
  readonly client: Client;
  readonly namespace: string;
  readonly bench: () => DayBench;
  /** kubectl in the user's namespace, with this as its standard input. */
  readonly run: (args: readonly string[], input?: string) => Promise<Ended>;
  /** It must succeed; its standard output, and its standard error after it. */
  readonly says: (...args: readonly string[]) => Promise<string>;
  readonly apply: (document: object | string, ...args: readonly string[]) => Promise<Ended>;
  /** It must succeed; its standard output. */
  readonly applied: (document: object, ...args: readonly string[]) => Promise<string>;
  /** A node selector. */
  readonly here: () => object;
  readonly podOf: (name: string, what: string, spec?: object) => object;
  /** The Deployment. */
  readonly web: (change?: { readonly image?: string }) => object;
}

/** What a user sees when they look again until it is there: what comes of a change takes a moment. */
export async function soon(what: string, look: () => Promise<void>): Promise<void> {
  await eventually(what, 20_000, async () => {
    await look();
    return true;
  });
}

export const tolerations = [{ key: "virtual-kubelet.io/provider", operator: "Exists" }];
/** Says hello, and goes when it is told to. */
export const talk = "trap 'exit 0' TERM; echo hello; while :; do sleep 0.1; done";

export const script = (what: string): object => ({
  name: "main",
  image: "registry.example/host:1",
  command: ["/bin/sh", "-c", what],
});

export function dayUser(bench: () => DayBench, client: Client): DayUser {
  const namespace = client.name.replaceAll(/\W+/g, "-");
  const run = (args: readonly string[], input = ""): Promise<Ended> =>
    runKubectl(bench().harness, client, ["--namespace", namespace, ...args], input);
  const says = async (...args: readonly string[]): Promise<string> => {
    const { stdout, stderr, code } = await run(args);
    assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stdout.toString()}${stderr}`);
    return `${stdout.toString()}${stderr}`.trim();
  };
  const apply = async (document: object | string, ...args: readonly string[]): Promise<Ended> =>
    run(["apply", ...args, "-f", "-"], typeof document === "string" ? document : JSON.stringify(document));
  const applied = async (document: object, ...args: readonly string[]): Promise<string> => {
    const { stdout, stderr, code } = await apply(document, ...args);
    assert.equal(code, 0, stderr);
    return stdout.toString().trim();
  };
  const here = (): object => ({ "kubernetes.io/hostname": bench().subject.node });
  const podOf = (name: string, what: string, spec: object = {}): object => ({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, labels: { app: name } },
    spec: {
      nodeSelector: here(),
      tolerations,
      terminationGracePeriodSeconds: 1,
      containers: [script(what)],
      ...spec,
    },
  });
  const web = (change: { readonly image?: string } = {}): object => ({
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "web" },
    spec: {
      replicas: 2,
      selector: { matchLabels: { app: "web" } },
      template: {
        metadata: { labels: { app: "web" } },
        spec: {
          tolerations,
          terminationGracePeriodSeconds: 1,
          nodeSelector: here(),
          containers: [{ ...script(talk), ...change, ports: [{ name: "http", containerPort: 80 }] }],
        },
      },
    },
  });
  return { client, namespace, bench, run, says, apply, applied, here, podOf, web };
}
