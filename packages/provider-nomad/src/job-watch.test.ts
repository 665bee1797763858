// How changes come over real sockets: by the event stream with its breaks, by blocking queries, with an index that goes back.
import assert from "node:assert/strict";
import { after, describe, it } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type Clock, silentLogger, systemClock } from "@virtual-kubelet/virtual-kubelet";
import { eventually } from "@virtual-kubelet/virtual-kubelet/testing";
import { parseNomadConfig } from "./config.ts";
import { FleetWatch } from "./fleet-watch.ts";
import { JobWatch } from "./job-watch.ts";
import { NomadBench, scriptTask } from "./testing/nomad-bench.ts";

const bench = await NomadBench.start({ heartbeatMs: 20, keepsEvents: 40 });
const { nomad, client } = bench;
after(async () => {
  await bench[Symbol.asyncDispose]();
  assert.deepEqual(nomad.problems, []);
});

/** Pauses are short. */
const quickClock: Clock = {
  now: () => Date.now(),
  schedule: (delayMs, callback) => systemClock.schedule(delayMs / 50, callback),
};

let made = 0;
/** Registers a job that runs on; answers its id. */
async function another(): Promise<string> {
  made += 1;
  const id = `vk-${made}`;
  await bench.register(id, [scriptTask("main", "exec sleep 3600")]);
  return id;
}

/** Follows changes as the core does: again after each break. */
class Follower {
  readonly seen: string[] = [];
  readonly breaks: string[] = [];
  readonly #end = new AbortController();
  readonly #work: Promise<void>;

  constructor(watch: Pick<JobWatch, "changes">) {
    this.#work = this.#follow(watch, { signal: this.#end.signal, log: silentLogger });
  }

  async told(id: string): Promise<void> {
    await eventually(`told of ${id}`, 10_000, () => this.seen.includes(id));
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.#work;
  }

  async #follow(watch: Pick<JobWatch, "changes">, context: Parameters<JobWatch["changes"]>[0]): Promise<void> {
    while (!context.signal.aborted)
      try {
        for await (const { id } of watch.changes(context)) this.seen.push(id);
      } catch (error) {
        if (!context.signal.aborted) this.breaks.push(String(error));
        await delay(5);
      }
  }
}

describe("the event stream", () => {
  it("tells of jobs, goes on over heartbeats, and misses nothing of a break", async () => {
    const follower = new Follower(new JobWatch(client, quickClock));
    await follower.told(await another());
    // Some heartbeats long nothing happens.
    await delay(100);
    assert.deepEqual(follower.breaks, []);
    nomad.faults.fail("events", 3, 500, "No cluster leader");
    nomad.faults.cutStreams();
    const id = await another();
    await follower.told(id);
    assert.equal(follower.breaks.length, 4, follower.breaks.join("\n"));
    assert.match(follower.breaks[1] ?? "", /No cluster leader/);
    await follower.stop();
  });

  it("goes on where the events that it wants are no longer kept", async () => {
    const follower = new Follower(new JobWatch(client, quickClock));
    await follower.told(await another());
    nomad.faults.fail("events", 1, 500, "No cluster leader");
    nomad.faults.cutStreams();
    nomad.state.forgetEvents();
    await follower.told(await another());
    await follower.stop();
  });

  it("goes on when Nomad is restored from an older state, where indexes are smaller", async () => {
    const follower = new Follower(new JobWatch(client, quickClock));
    await follower.told(await another());
    nomad.state.restore(5);
    await follower.told(await another());
    await follower.told(await another());
    await follower.stop();
    assert.ok(nomad.state.index < 40);
  });

  it("does not wait for ever for servers that answer nothing", async () => {
    nomad.faults.slow("events", 60_000);
    const end = new AbortController();
    const changes = new JobWatch(client, quickClock).changes({ signal: end.signal, log: silentLogger });
    const first = changes.next();
    await delay(50);
    end.abort();
    await assert.rejects(first, { kind: "Aborted" });
    nomad.faults.slow("events", 0);
  });
});

describe("blocking queries", () => {
  it("tell of jobs where there are no events, over errors and an index that goes back", async () => {
    // Older ones refuse the stream, newer ones end it before it begins.
    nomad.faults.fail("events", 1, 403, "Permission denied");
    nomad.faults.fail("events", 1000, 200, "");
    const follower = new Follower(new JobWatch(client, quickClock));
    await eventually("a first answer", 10_000, () => (nomad.counts["listAllocations"] ?? 0) > 0);
    await follower.told(await another());
    nomad.faults.fail("listAllocations", 1, 500, "No cluster leader");
    const id = await another();
    await follower.told(id);
    await eventually("it waits for changes", 10_000, () => nomad.state.waiting > 0);
    nomad.state.restore(3);
    await eventually("it waits anew", 10_000, () => nomad.state.waiting > 0);
    await follower.told(await another());
    await follower.stop();
    assert.equal(follower.breaks.length, 1);
  });
});

describe("the fleet", () => {
  it("is told anew at each change of a client", async () => {
    const end = new AbortController();
    const context = { signal: end.signal, log: silentLogger };
    const reports = new FleetWatch(client, parseNomadConfig({}, {}), quickClock).watch(context);
    const cpu = async (): Promise<string | undefined> => (await reports.next()).value?.capacity?.["cpu"];
    assert.equal(await cpu(), "40000m");
    nomad.nodes.add({ mhz: 4800, cores: 2 });
    assert.equal(await cpu(), "42000m");
    const [first] = nomad.nodes.all;
    assert.ok(first !== undefined);
    nomad.nodes.change(first.ID, { SchedulingEligibility: "ineligible" });
    assert.equal(await cpu(), "2000m");
    nomad.faults.leaderless = true;
    nomad.nodes.change(first.ID, { SchedulingEligibility: "eligible" });
    await assert.rejects(async () => {
      await cpu();
      await cpu();
    }, /No cluster leader/);
    nomad.faults.leaderless = false;
    end.abort();
  });
});
