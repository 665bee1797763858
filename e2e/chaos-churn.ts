// Pods and Jobs that come, end, go and come again by chance, each with a right end that is known: no pod lost, doubled or leaked.
import { setTimeout as sleep } from "node:timers/promises";
import { isErrorKind } from "../packages/virtual-kubelet/src/errors.ts";
import type { KubeClient } from "../packages/virtual-kubelet/src/kube/client.ts";
import { jobs, pods, type Stored } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Pod } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { between, persist } from "./chaos.ts";
import { eventually, type PodShape, podObject, podTemplate } from "./harness.ts";

/** How a pod is meant to end. */
type End = "running" | "succeeded" | "failed" | "gone";

interface Expected {
  readonly end: End;
  /** Of the object that is meant to be there at the end, or of the one that is gone. */
  readonly uid: string;
}

export interface ChurnOptions {
  readonly client: KubeClient;
  readonly node: string;
  readonly random: () => number;
  /** Begins each name. */
  readonly prefix: string;
  readonly pods: number;
  /** Jobs of two pods each; they must succeed without a single failure. */
  readonly jobs: number;
  /** Over which all of it is begun. */
  readonly durationMs: number;
  /** False: every pod names its node. An API server that dies under it can take the scheduler with it ("cache is corrupted"). */
  readonly scheduler: boolean;
}

/** Creates, completes, deletes, force-deletes and replaces pods, and knows how each of them must end. */
export class Churn {
  readonly #options: ChurnOptions;
  readonly #expected = new Map<string, Expected>();
  readonly #gone = new Set<string>();

  constructor(options: ChurnOptions) {
    this.#options = options;
  }

  /** Resolves when everything was asked for, not when it has happened. */
  async run(): Promise<void> {
    const { random, durationMs, prefix } = this.#options;
    const lives: Promise<void>[] = [];
    for (let index = 0; index < this.#options.pods; index++)
      lives.push(this.#live(`${prefix}-${index}`, random() * durationMs, random()));
    for (let index = 0; index < this.#options.jobs; index++)
      lives.push(this.#job(`${prefix}-job-${index}`, random() * durationMs));
    await Promise.all(lives);
  }

  /** Waits until all is as it should be, or tells what is not. */
  async settle(deadlineMs: number): Promise<void> {
    const { client, prefix } = this.#options;
    let faults: string[] = [];
    const look = async (): Promise<boolean> => {
      faults = [];
      const list = (await client.list(pods, { namespace: "default" })).items;
      const byName = new Map(list.map((pod) => [pod.metadata.name, pod]));
      for (const [name, expected] of this.#expected) {
        const fault = faultOf(byName.get(name), expected);
        if (fault !== undefined) faults.push(`${name} (${expected.uid}): ${fault}`);
      }
      const known = list.filter(({ metadata }) => this.#gone.has(metadata.uid));
      for (const { metadata } of known) faults.push(`${metadata.name}: the deleted one is still there`);
      for (const job of (await client.list(jobs, { namespace: "default" })).items) {
        if (!job.metadata.name.startsWith(`${prefix}-`)) continue;
        const { succeeded = 0, failed = 0 } = job.status ?? {};
        if (succeeded !== 2 || failed !== 0) faults.push(`job ${job.metadata.name}: ${JSON.stringify(job.status)}`);
      }
      return faults.length === 0;
    };
    try {
      await eventually(`${prefix}: all pods as they should be`, deadlineMs, look);
    } catch (error) {
      throw new Error(`${String(error)}\n${faults.join("\n")}`);
    }
  }

  async #live(name: string, startMs: number, lot: number): Promise<void> {
    const { random } = this.#options;
    const life = between(random, 0, 6000);
    const grace = Math.ceil(between(random, 0, 3));
    const scheduled = random() < 0.3 && this.#options.scheduler;
    const startDelay = { "start-delay": `${Math.round(between(random, 0, 1200))}ms` };
    const dying = { ...startDelay, "terminate-delay": `${Math.round(between(random, 0, 2500))}ms` };
    const finite = { ...startDelay, "run-time": `${Math.round(between(random, 100, 4000))}ms` };
    await sleep(startMs);
    const create = (mock: Record<string, string>, spec: PodShape["spec"] = {}): Promise<string> =>
      this.#create(name, { mock, spec: { ...(scheduled ? this.#bySelector() : this.#byName()), ...spec } });
    if (lot < 0.35) this.#expect(name, "running", await create(startDelay));
    else if (lot < 0.5) this.#expect(name, "succeeded", await create(finite, { restartPolicy: "Never" }));
    else if (lot < 0.58)
      this.#expect(name, "failed", await create({ ...finite, "exit-code": "3" }, { restartPolicy: "Never" }));
    else {
      const uid = await create(dying, { terminationGracePeriodSeconds: grace });
      await sleep(life);
      const forced = lot >= 0.8;
      this.#gone.add(uid);
      await this.#delete(name, uid, forced ? 0 : undefined);
      if (lot < 0.7 || lot >= 0.9) return this.#expect(name, "gone", uid);
      // The same name again, at once when it was forced.
      await eventually(`${name} is gone`, 90_000, async () => (await this.#uidOf(name)) !== uid);
      this.#expect(name, "running", await create(startDelay));
    }
  }

  async #job(name: string, startMs: number): Promise<void> {
    const { client, random } = this.#options;
    await sleep(startMs);
    const mock = { "run-time": `${Math.round(between(random, 100, 3000))}ms` };
    const place = this.#options.scheduler ? this.#bySelector() : this.#byName();
    const template = podTemplate({ mock, spec: { ...place, restartPolicy: "Never" } });
    const metadata = { name, namespace: "default" };
    const spec = { completions: 2, parallelism: 2, backoffLimit: 0, template };
    await persist(() => client.create(jobs, { apiVersion: "batch/v1", kind: "Job", metadata, spec }));
  }

  #byName(): NonNullable<PodShape["spec"]> {
    return { nodeName: this.#options.node };
  }

  #bySelector(): NonNullable<PodShape["spec"]> {
    return { nodeSelector: { "kubernetes.io/hostname": this.#options.node } };
  }

  #expect(name: string, end: End, uid: string): void {
    this.#expected.set(name, { end, uid });
  }

  async #create(name: string, shape: PodShape): Promise<string> {
    const created = await persist(() => this.#options.client.create(pods, podObject(name, shape)));
    return created?.metadata.uid ?? (await eventually(`UID of ${name}`, 60_000, () => this.#uidOf(name)));
  }

  async #delete(name: string, uid: string, gracePeriodSeconds: number | undefined): Promise<void> {
    const options = { uid, ...(gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds }) };
    await persist(() => this.#options.client.delete(pods, { namespace: "default", name }, options));
  }

  async #uidOf(name: string): Promise<string | undefined> {
    try {
      return (await this.#options.client.get(pods, { namespace: "default", name })).metadata.uid;
    } catch (error) {
      if (isErrorKind(error, "NotFound")) return undefined;
      throw error;
    }
  }
}

function faultOf(pod: Stored<Pod> | undefined, { end, uid }: Expected): string | undefined {
  if (end === "gone") return pod === undefined || pod.metadata.uid !== uid ? undefined : "still in the API";
  if (pod === undefined) return "not in the API";
  if (pod.metadata.uid !== uid) return `is another one: ${pod.metadata.uid}`;
  const phase = pod.status?.phase?.toLowerCase();
  if (phase !== end) return `is not ${end}: ${JSON.stringify({ node: pod.spec?.nodeName, ...pod.status })}`;
  const ready = pod.status?.conditions?.find(({ type }) => type === "Ready")?.status;
  if (ready !== (end === "running" ? "True" : "False")) return `Ready is ${ready}`;
  const container = pod.status?.containerStatuses?.[0];
  if (container?.restartCount !== 0) return `restarted ${container?.restartCount} times`;
  const code = container.state?.terminated?.exitCode;
  const wanted = end === "running" ? undefined : end === "succeeded" ? 0 : 3;
  return code === wanted ? undefined : `exit code ${code}`;
}
