// Azure Container Instances for one test: the fake of Azure Resource Manager over real containers or simulated ones, and what the
// program is told of it.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FakeArm } from "../../packages/provider-aci/src/testing/fake-arm.ts";
import type { GroupRunner } from "../../packages/virtual-kubelet/src/testing/group-runner.ts";
import type { BookedGroup, CloudWorld } from "./world.ts";

export class AciWorld implements CloudWorld {
  readonly provider = "aci";
  readonly config: Readonly<Record<string, unknown>>;
  readonly image: string;
  /** For what the tests of one cloud alone look at. */
  readonly fake: FakeArm;
  readonly #secret: string;
  /** Each is disposed of, whatever becomes of the others. */
  readonly #parts: AsyncDisposableStack;

  private constructor(fake: FakeArm, directory: string, image: string, parts: AsyncDisposableStack) {
    this.fake = fake;
    this.image = image;
    this.#parts = parts;
    const { principal } = fake.tokens;
    this.#secret = principal.secret ?? assert.fail("the fake's principal has a secret");
    this.config = {
      ...{ subscription: fake.subscription, resourceGroup: "group", region: fake.location },
      credentials: {
        ...{ type: "clientSecret", tenantID: principal.tenantId, clientID: principal.clientId },
        clientSecretFile: join(directory, "secret"),
      },
      endpoints: {
        ...{ resourceManager: fake.endpoints.resourceManager, authority: fake.endpoints.authority },
        caFile: join(directory, "ca.pem"),
      },
      network: { subnet: { virtualNetwork: "net", name: "pods", cidr: "10.241.0.0/16" } },
      defaultRequests: { cpu: "100m", memory: "128Mi" },
      helperImage: image,
      unenforcedSecurity: "warn",
    };
  }

  /** `dispose`: of what the runner stands on. */
  static async start(
    runner: GroupRunner,
    image: string,
    dispose: () => Promise<void> = async () => {},
  ): Promise<AciWorld> {
    await using parts = new AsyncDisposableStack();
    parts.defer(dispose);
    parts.use(runner);
    const fake = parts.use(await FakeArm.start({ runner }));
    const directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-aci-"));
    parts.defer(() => rm(directory, { recursive: true }));
    const world = new AciWorld(fake, directory, image, parts.move());
    await writeFile(join(directory, "secret"), world.#secret, { mode: 0o600 });
    await writeFile(join(directory, "ca.pem"), fake.ca);
    return world;
  }

  books(): readonly BookedGroup[] {
    return this.fake.groups.all.map((group) => ({
      id: group.name,
      uid: group.body.tags?.["virtual-kubelet.io.uid"] ?? "",
      live: group.provisioningState !== "Deleting",
    }));
  }

  made(): ReadonlyMap<string, number> {
    const made = new Map<string, number>();
    for (const { tags } of this.fake.groups.created) {
      const uid = tags["virtual-kubelet.io.uid"] ?? "";
      made.set(uid, (made.get(uid) ?? 0) + 1);
    }
    return made;
  }

  calls(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.fake.calls);
  }

  throttle(perSecond: number | undefined): void {
    this.fake.faults.throttle(perSecond === undefined ? undefined : { perSecond, burst: 1 });
  }

  down(is: boolean): void {
    this.fake.faults.setDown(is);
  }

  credentials(valid: boolean): void {
    if (!valid) this.fake.tokens.revokeAll();
    this.fake.tokens.principal.secret = valid ? this.#secret : "another one";
  }

  /** Disposes of everything, and fails if something was wrong with what passed over the wire. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.disposeAsync();
    assert.deepEqual(this.fake.problems, []);
  }
}
