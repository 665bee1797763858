// A cloud for one test, and the program on it: the fake's books, its faults, and what the program has to be told of it.
import assert from "node:assert/strict";
import { nodes, pods } from "../../packages/virtual-kubelet/src/kube/resource.ts";
import type { ControlPlaneOptions } from "../../packages/virtual-kubelet/src/testing/control-plane.ts";
import type { ManagedProcess } from "../../packages/virtual-kubelet/src/testing/processes.ts";
import { eventually, type Harness, startHarness } from "../harness.ts";

/** One group in the books of a cloud. */
export interface BookedGroup {
  readonly id: string;
  /** Of the pod that its tags name. */
  readonly uid: string;
  /** Something of it runs or may come to run. */
  readonly live: boolean;
}

export interface CloudWorld extends AsyncDisposable {
  /** Of the provider. */
  readonly provider: string;
  /** For the program's `--provider-config`. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Image with /bin/sh, sleep, httpd and the like. */
  readonly image: string;
  /** Whether it tells how the run of a container before the present one ended. Default true. */
  readonly tellsLastCodes?: boolean | undefined;
  /** All that the service has now; whoever made it. */
  books(): readonly BookedGroup[];
  /** How many groups were ever made for each pod, by UID. */
  made(): ReadonlyMap<string, number>;
  /** Calls answered so far, by operation. */
  calls(): Readonly<Record<string, number>>;
  /** From now on no more calls a second are answered than this, of each operation; the others are refused as the cloud does. */
  throttle(perSecond: number | undefined): void;
  /** The region is down: connections are refused or answers are 5xx. */
  down(is: boolean): void;
  /** The credentials that the program has are taken no more, or again (renewed ones where the cloud hands them out). */
  credentials(valid: boolean): void;
}

export const cloudNode = "cloud-a";

export class CloudBench implements AsyncDisposable {
  readonly harness: Harness;
  readonly world: CloudWorld;
  readonly #args: readonly string[];
  #file = "";
  program: ManagedProcess | undefined;

  constructor(harness: Harness, world: CloudWorld, args: readonly string[]) {
    this.harness = harness;
    this.world = world;
    this.#args = args;
  }

  static async start(
    world: CloudWorld,
    args: readonly string[] = [],
    controlPlane: ControlPlaneOptions = {},
  ): Promise<CloudBench> {
    const harness = await startHarness(controlPlane).catch(async (error: unknown) => {
      await world[Symbol.asyncDispose]();
      throw error;
    });
    const bench = new CloudBench(harness, world, args);
    try {
      bench.#file = await bench.harness.writeFile("provider.yaml", JSON.stringify(world.config));
      await bench.begin();
      return bench;
    } catch (error) {
      await bench[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Starts the program, which does not run; resolves when its node is ready. */
  async begin(): Promise<void> {
    this.program = await this.harness.program([
      ...["--nodename", cloudNode, "--provider", this.world.provider, "--provider-config", this.#file],
      ...this.#args,
    ]);
    await this.harness.nodeIsReady(cloudNode, this.program, 60_000);
  }

  /** All pods are deleted, and the service has nothing of them any more. */
  async clean(): Promise<void> {
    await this.harness.kubectl("delete", "deployments,jobs,pods", "--all", "--wait=false");
    let left: readonly string[] = [];
    await eventually("no pods", 120_000, async () => {
      left = (await this.harness.list(pods)).map(({ metadata, status }) => `${metadata.name} ${status?.phase}`);
      return left.length === 0;
    }).catch(() => assert.fail(`pods that are left: ${left.join(", ")}; books: ${JSON.stringify(this.world.books())}`));
    await eventually("nothing in the books", 60_000, () => this.world.books().length === 0).catch(() =>
      assert.fail(`left in the books: ${JSON.stringify(this.world.books())}`),
    );
  }

  async isNodeReady(): Promise<boolean> {
    const node = await this.harness.find(nodes, cloudNode);
    return node?.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") === true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // Each part, whatever becomes of the others.
    await using parts = new AsyncDisposableStack();
    parts.use(this.world);
    parts.use(this.harness);
    parts.defer(async () => {
      await this.program?.kill("SIGTERM");
    });
  }
}
