// AWS Fargate for one test: the fake of ECS and its neighbours over real containers or simulated ones, and what the program is told
// of it.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeEcs } from "../../packages/provider-fargate/src/testing/fake-ecs.ts";
import type { GroupRunner } from "../../packages/virtual-kubelet/src/testing/group-runner.ts";
import type { BookedGroup, CloudWorld } from "./world.ts";

/** Limited one by one. */
const operations = ["RunTask", "StopTask", "ListTasks", "DescribeTasks", "DescribeClusters", "RegisterTaskDefinition"];

export class FargateWorld implements CloudWorld {
  readonly provider = "fargate";
  readonly tellsLastCodes = false;
  readonly config: Readonly<Record<string, unknown>>;
  readonly image: string;
  readonly fake: FakeEcs;
  readonly #directory: string;
  /** Each is disposed of, whatever becomes of the others. */
  readonly #parts: AsyncDisposableStack;
  #keys = 0;

  private constructor(
    fake: FakeEcs,
    directory: string,
    image: string,
    helperImage: string,
    parts: AsyncDisposableStack,
  ) {
    this.fake = fake;
    this.#directory = directory;
    this.image = image;
    this.#parts = parts;
    const { endpoint } = fake;
    this.config = {
      ...{ region: fake.account.region, network: { subnets: ["subnet-1"] }, helperImage },
      executionRoleARN: "arn:aws:iam::123456789012:role/execution",
      taskRoles: { default: "arn:aws:iam::123456789012:role/pods" },
      logs: { group: "/pods" },
      capacity: { cpu: "200", memory: "400Gi", "ephemeral-storage": "4Ti", pods: "200" },
      credentials: { type: "profile", profile: "pods" },
      endpoints: { ecs: endpoint, logs: endpoint, secretsManager: endpoint, cloudWatch: endpoint, sqs: endpoint },
    };
  }

  /**
   * `helperImage`: "" where containers are simulated. `dispose`: of what the runner stands on. `restartableMs`: how long a container has to
   * run for ECS to start it again.
   */
  static async start(
    runner: GroupRunner,
    image: string,
    helperImage: string,
    dispose: () => Promise<void> = async () => {},
    restartableMs: number = 500,
  ): Promise<FargateWorld> {
    await using parts = new AsyncDisposableStack();
    parts.defer(dispose);
    parts.use(runner);
    const fake = parts.use(await FakeEcs.start({ runner, logGroups: ["/pods"], restartableMs }));
    const directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-fargate-"));
    parts.defer(() => rm(directory, { recursive: true }));
    const world = new FargateWorld(fake, directory, image, helperImage, parts.move());
    // The program inherits it.
    process.env["AWS_SHARED_CREDENTIALS_FILE"] = join(directory, "credentials");
    process.env["AWS_CONFIG_FILE"] = join(directory, "config");
    world.credentials(true);
    return world;
  }

  /** What costs: tasks that have ended are told of for an hour more. Secrets that no task needs are among it. */
  books(): readonly BookedGroup[] {
    const tasks = this.fake.books.filter(({ live }) => live);
    const groups = tasks.map(({ arn, startedBy = "", live }) => ({ id: arn, uid: startedBy, live }));
    const uids = new Set(groups.map(({ uid }) => uid));
    const left = [...this.fake.secrets.all.keys()].map((id) => ({
      id,
      uid: id.split("/").at(-2) ?? "",
      live: false,
    }));
    return [...groups, ...left.filter(({ uid }) => !uids.has(uid))];
  }

  made(): ReadonlyMap<string, number> {
    const made = new Map<string, number>();
    for (const { startedBy = "" } of this.fake.books) made.set(startedBy, (made.get(startedBy) ?? 0) + 1);
    return made;
  }

  calls(): Readonly<Record<string, number>> {
    return this.fake.counts;
  }

  throttle(perSecond: number | undefined): void {
    for (const operation of operations) this.fake.faults.limit(operation, perSecond ?? Number.POSITIVE_INFINITY, 1);
  }

  down(is: boolean): void {
    this.fake.faults.down = is;
  }

  /** What signed so far is refused from now on; renewed ones stand where the program finds them. */
  credentials(valid: boolean): void {
    if (!valid || this.#keys === 0) {
      this.#keys += 1;
      const keys = { accessKeyId: `AKIAFAKE${this.#keys}`, secretAccessKey: "fake-secret" };
      this.fake.credentials.splice(0, this.fake.credentials.length, keys);
    }
    if (!valid) return;
    const text = `[pods]\naws_access_key_id = AKIAFAKE${this.#keys}\naws_secret_access_key = fake-secret\n`;
    writeFileSync(join(this.#directory, "credentials"), text);
  }

  /** Disposes of everything, and fails if something was wrong with what passed over the wire. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
    assert.deepEqual(this.fake.misuse, []);
  }
}
