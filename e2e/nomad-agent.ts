// A Nomad for tests of its provider: the agent at NOMAD_ADDR with all that stands in NOMAD_*, else the fake with real processes. What a
// test made is removed at its end.
import assert from "node:assert/strict";
import { type NomadConfig, parseNomadConfig } from "../packages/provider-nomad/src/config.ts";
import type { NomadClient } from "../packages/provider-nomad/src/nomad-client.ts";
import { clientOf } from "../packages/provider-nomad/src/nomad-provider.ts";
import { FakeNomad } from "../packages/provider-nomad/src/testing/fake-nomad/fake-nomad.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import type { CallContext } from "../packages/virtual-kubelet/src/provider.ts";
import { eventually } from "./harness.ts";

/** Pods of the test belong to these. */
const filter = 'Meta["virtual-kubelet.io/node"] == "conformance-node"';

/** In the order in which they are taken, where a client has several. */
const drivers = ["raw_exec", "exec", "docker", "podman"];

export class NomadAgent implements AsyncDisposable {
  readonly config: NomadConfig;
  readonly #client: NomadClient;
  readonly #fake: FakeNomad | undefined;
  /** Each is disposed of, whatever becomes of the others. */
  readonly #parts: AsyncDisposableStack;
  /** Jobs and paths of variables that were there already. */
  readonly #before: ReadonlySet<string>;

  private constructor(
    config: NomadConfig,
    client: NomadClient,
    fake: FakeNomad | undefined,
    before: ReadonlySet<string>,
    parts: AsyncDisposableStack,
  ) {
    this.config = config;
    this.#client = client;
    this.#fake = fake;
    this.#before = before;
    this.#parts = parts;
  }

  /**
   * NOMAD_TEST_DRIVER says by which driver pods run, NOMAD_TEST_IMAGE from which image where it needs one (default busybox:1),
   * NOMAD_TEST_NETWORK in which network (default the provider's).
   */
  static async start(): Promise<NomadAgent> {
    const isReal = (process.env["NOMAD_ADDR"] ?? "") !== "";
    await using parts = new AsyncDisposableStack();
    const fake = isReal ? undefined : parts.use(await FakeNomad.start({ secondMs: 100, syncMs: 200 }));
    const env = fake === undefined ? process.env : { NOMAD_ADDR: fake.address };
    const client = parts.use(clientOf(parseNomadConfig({}, env)));
    const nodes = await eventually("a client of Nomad is ready", 30_000, async () => {
      const { value } = await client.listNodes({}, context());
      const ready = value.filter(({ Status }) => Status === "ready");
      return ready.length > 0 && ready;
    });
    const healthy = drivers.filter((name) => nodes.some(({ Drivers }) => Drivers?.[name]?.Healthy === true));
    const driver = process.env["NOMAD_TEST_DRIVER"] ?? healthy[0] ?? assert.fail("no client has a driver for pods");
    const before = new Set([
      ...(await client.listJobs({ filter }, context())).map(({ ID }) => ID),
      ...(await variablesOf(client)),
    ]);
    // The suite's pods are many at once, and an agent may be small.
    const defaults = { cpu: "10m", memory: "16Mi" };
    const mode = process.env["NOMAD_TEST_NETWORK"];
    const config = parseNomadConfig({ driver, defaults, ...(mode && { network: { mode } }) }, env);
    return new NomadAgent(config, client, fake, before, parts.move());
  }

  /** Of containers, "" where the driver runs programs of the host. */
  get image(): string {
    const runsImages = this.config.driver === "docker" || this.config.driver === "podman";
    return runsImages ? (process.env["NOMAD_TEST_IMAGE"] ?? "busybox:1") : "";
  }

  /** Removes every job of the test with its variables; fails where variables are left of those that the provider removed. */
  async [Symbol.asyncDispose](): Promise<void> {
    await using _parts = this.#parts;
    const client = this.#client;
    const made = async (): Promise<readonly string[]> =>
      (await client.listJobs({ filter }, context())).map(({ ID }) => ID).filter((id) => !this.#before.has(id));
    for (const id of await made()) {
      await client.deregisterJob(id, { purge: true }, context());
      for (const path of await client.listVariables(`nomad/jobs/${id}/`, context()))
        await client.deleteVariable(path, context());
    }
    const [jobs, variables] = [await made(), await variablesOf(client)];
    await this.#parts.disposeAsync();
    assert.deepEqual(this.#fake?.problems ?? [], []);
    assert.deepEqual(jobs, [], "jobs that are left");
    assert.deepEqual(
      variables.filter((path) => !this.#before.has(path)),
      [],
      "variables that are left",
    );
  }
}

function variablesOf(client: NomadClient): Promise<readonly string[]> {
  return client.listVariables("nomad/jobs/vk-", context());
}

function context(): CallContext {
  return { signal: AbortSignal.timeout(60_000), log: silentLogger };
}
