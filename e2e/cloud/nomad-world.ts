// HashiCorp Nomad for one test: the fake over real containers or simulated ones, and what the program is told of it.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeNomad } from "../../packages/provider-nomad/src/testing/fake-nomad/fake-nomad.ts";
import type { GroupRunner } from "../../packages/virtual-kubelet/src/testing/group-runner.ts";
import type { BookedGroup, CloudWorld } from "./world.ts";

export class NomadWorld implements CloudWorld {
  readonly provider = "nomad";
  readonly config: Readonly<Record<string, unknown>>;
  readonly image: string;
  readonly #fake: FakeNomad;
  readonly #directory: string;
  /** Each is disposed of, whatever becomes of the others. */
  readonly #parts: AsyncDisposableStack;
  #tokens = 0;

  private constructor(fake: FakeNomad, directory: string, image: string, parts: AsyncDisposableStack) {
    this.#fake = fake;
    this.#directory = directory;
    this.image = image;
    this.#parts = parts;
    this.config = { address: fake.address, tokenFile: join(directory, "token") };
  }

  /** `dispose`: of what the runner stands on. */
  static async start(
    runner: GroupRunner,
    image: string,
    dispose: () => Promise<void> = async () => {},
  ): Promise<NomadWorld> {
    const nodes = [{ mhz: 480_000, cores: 200, memoryMB: 409_600 }];
    await using parts = new AsyncDisposableStack();
    parts.defer(dispose);
    parts.use(runner);
    const fake = parts.use(await FakeNomad.start({ runner, nodes, secondMs: 100, syncMs: 200, tokens: new Map() }));
    const directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-nomad-"));
    parts.defer(() => rm(directory, { recursive: true }));
    const world = new NomadWorld(fake, directory, image, parts.move());
    world.credentials(true);
    return world;
  }

  /** Variables that no job has are among it. */
  books(): readonly BookedGroup[] {
    const jobs = this.#fake.books.map(({ id, live }) => ({ id, uid: uidOf(id), live }));
    const left = this.#fake.variables.all.map(({ Path }) => ({
      id: Path,
      uid: uidOf(Path.split("/")[2] ?? ""),
      live: false,
    }));
    const known = new Set(jobs.map(({ uid }) => uid));
    return [...jobs, ...left.filter(({ uid }) => !known.has(uid))];
  }

  made(): ReadonlyMap<string, number> {
    return new Map([...this.#fake.jobs.made].map(([id, times]) => [uidOf(id), times]));
  }

  calls(): Readonly<Record<string, number>> {
    return this.#fake.counts;
  }

  throttle(perSecond: number | undefined): void {
    this.#fake.faults.throttle(perSecond);
  }

  down(is: boolean): void {
    this.#fake.faults.down = is;
    if (is) this.#fake.faults.cutStreams();
  }

  /** The token that was taken so far is refused from now on; a new one stands where the program finds it. */
  credentials(valid: boolean): void {
    if (!valid || this.#tokens === 0) this.#tokens += 1;
    const token = `token-${this.#tokens}`;
    this.#fake.acl.tokens = new Map([[token, "management"]]);
    if (valid) writeFileSync(join(this.#directory, "token"), `${token}\n`, { mode: 0o600 });
  }

  /** Disposes of everything, and fails if something was wrong with what passed over the wire. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
    assert.deepEqual(this.#fake.problems, []);
  }
}

function uidOf(job: string): string {
  return job.replace(/^vk-/, "");
}
