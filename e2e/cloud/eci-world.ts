// Alibaba Cloud Elastic Container Instance for one test: the fake over real containers or simulated ones, and what the program is told
// of it.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeEci } from "../../packages/provider-eci/src/testing/fake-eci.ts";
import type { Tag } from "../../packages/provider-eci/src/wire.ts";
import type { GroupRunner } from "../../packages/virtual-kubelet/src/testing/group-runner.ts";
import type { BookedGroup, CloudWorld } from "./world.ts";

export class EciWorld implements CloudWorld {
  readonly provider = "eci";
  readonly config: Readonly<Record<string, unknown>>;
  readonly image: string;
  /** For what the tests of one cloud alone look at. */
  readonly fake: FakeEci;
  readonly #directory: string;
  /** Each is disposed of, whatever becomes of the others. */
  readonly #parts: AsyncDisposableStack;
  #lent = 0;

  private constructor(
    fake: FakeEci,
    directory: string,
    image: string,
    helperImage: string,
    parts: AsyncDisposableStack,
  ) {
    this.fake = fake;
    this.#directory = directory;
    this.image = image;
    this.#parts = parts;
    const at = (name: string): string => join(directory, name);
    this.config = {
      ...{ region: fake.region, endpoint: fake.url, caFile: at("ca.pem"), helperImage },
      credentials: { type: "sts", accessKeyIDFile: at("id"), secretFile: at("secret"), tokenFile: at("token") },
      network: { vSwitches: ["vsw-1"], securityGroup: "sg-1" },
      defaultRequests: { cpu: "250m", memory: "512Mi" },
      unenforcedSecurity: "warn",
    };
  }

  /** `helperImage`: one that ends at once where containers are simulated. `dispose`: of what the runner stands on. */
  static async start(
    runner: GroupRunner,
    image: string,
    helperImage: string,
    dispose: () => Promise<void> = async () => {},
  ): Promise<EciWorld> {
    await using parts = new AsyncDisposableStack();
    parts.defer(dispose);
    parts.use(runner);
    // What is left of a group goes after its containers have ended; that it is told of meanwhile is taken for granted.
    const fake = parts.use(await FakeEci.start({ runner, pace: { removeMs: 3_000 } }));
    const directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-eci-"));
    parts.defer(() => rm(directory, { recursive: true }));
    const world = new EciWorld(fake, directory, image, helperImage, parts.move());
    writeFileSync(join(directory, "ca.pem"), fake.ca);
    world.credentials(true);
    return world;
  }

  /** Those that have ended cost nothing, but somebody has to remove them. */
  books(): readonly BookedGroup[] {
    return this.fake.groups.all.map(({ id, tags, isOver }) => ({ id, uid: uidOf(tags), live: !isOver }));
  }

  made(): ReadonlyMap<string, number> {
    const made = new Map<string, number>();
    for (const { tags } of this.fake.groups.created) made.set(uidOf(tags), (made.get(uidOf(tags)) ?? 0) + 1);
    return made;
  }

  calls(): Readonly<Record<string, number>> {
    return this.fake.counts;
  }

  throttle(perSecond: number | undefined): void {
    this.fake.faults.throttle(perSecond === undefined ? undefined : { perSecond, burst: 1 });
  }

  down(is: boolean): void {
    this.fake.faults.down = is;
  }

  /** Keys that are lent for a time: those that are there expire; renewed ones stand where the program finds them. */
  credentials(valid: boolean): void {
    const { keys } = this.fake;
    if (!valid) {
      keys.splice(0, keys.length, ...keys.map((each) => ({ ...each, expiresAt: 1 })));
      return;
    }
    this.#lent += 1;
    const suffix = String(this.#lent);
    const lent = {
      accessKeyId: `STS.${suffix}`,
      accessKeySecret: `secret-${suffix}`,
      securityToken: `token-${suffix}`,
    };
    keys.splice(0, keys.length, lent);
    const write = (name: string, text: string): void =>
      writeFileSync(join(this.#directory, name), text, { mode: 0o600 });
    write("id", lent.accessKeyId);
    write("secret", lent.accessKeySecret);
    write("token", lent.securityToken);
  }

  /** Disposes of everything, and fails if something was wrong with what passed over the wire. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
    assert.deepEqual(this.fake.problems, []);
  }
}

function uidOf(tags: readonly Tag[]): string {
  return tags.find(({ Key }) => Key === "virtual-kubelet.io/uid")?.Value ?? "";
}
