// What the status manager writes, in which order, and what becomes of a write that the API server refuses.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import { silentLogger } from "../log.ts";
import { createMetrics, type Metrics } from "../metrics.ts";
import type { ContainerReport } from "../provider/pods.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { scriptedClient } from "../testing/scripted-client.ts";
import { type StatusForm, StatusManager } from "./status-manager.ts";

const running: ContainerReport["state"] = { running: { startedAt: "2026-01-01T00:00:00Z" } };
const ended: ContainerReport["state"] = { terminated: { exitCode: 0, finishedAt: "2026-01-01T00:00:00Z" } };
const owner = { cluster: "c", node: "n", namespace: "default", name: "web", uid: "u" };

/** One pod, whose API answers as scripted. */
class Writing implements AsyncDisposable {
  readonly clock: FakeClock = new FakeClock();
  readonly sent: string[] = [];
  readonly metrics: Metrics = createMetrics();
  readonly warnings: string[] = [];
  pod: Stored<Pod> | undefined = {
    metadata: { name: "web", namespace: "default", uid: "u", resourceVersion: "10", generation: 1 },
    spec: { restartPolicy: "Never", containers: [{ name: "main", image: "i" }] },
    status: { phase: "Pending" },
  };
  state: ContainerReport["state"] = running;
  removable = false;
  /** Answers a write; what it throws is the answer. */
  answer: (verb: "patch" | "put" | "delete", body: unknown) => void = () => {};
  /** Of the API, as others write. */
  version = 10;
  readonly manager: StatusManager;
  readonly #end = new AbortController();
  readonly #running: Promise<void>;

  constructor(form: StatusForm = "patch") {
    const write = async (verb: "patch" | "put", body: unknown): ReturnType<KubeClient["patchMeta"]> => {
      const phase = /"phase":"(\w+)"/.exec(JSON.stringify(body))?.[1];
      this.sent.push(phase === undefined ? verb : `${verb} ${phase}`);
      this.answer(verb, body);
      return { uid: "u", resourceVersion: String(++this.version) };
    };
    this.manager = new StatusManager({
      client: scriptedClient({
        patchMeta: (_of, _ref, _type, body) => write("patch", body),
        replaceMeta: (_of, object) => write("put", object),
        delete: async (_of, _ref, options) => {
          this.sent.push(`delete ${options?.gracePeriodSeconds} ${options?.uid}`);
          this.answer("delete", undefined);
        },
      }),
      source: {
        pod: () => this.pod,
        outlook: () => ({
          input: {
            situation: { type: "reported", report: { owner, containers: [{ name: "main", state: this.state }] } },
            nodeIPs: [],
          },
          removable: this.removable,
        }),
        written: () => {},
      },
      workers: 4,
      form,
      clock: this.clock,
      random: () => 0.5,
      log: { ...silentLogger, child: () => silentLogger, warn: (_fields, message) => this.warnings.push(message) },
      metrics: this.metrics,
    });
    this.#running = this.manager.run(this.#end.signal);
  }

  /** What is sent when the status is looked at, within `ms`. */
  async look(ms = 100): Promise<readonly string[]> {
    this.manager.add("u");
    await this.clock.advance(ms);
    return this.sent.splice(0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    this.answer = () => {};
    await this.clock.advance(20_000);
    await this.#running;
  }
}

const wrongUid: readonly (readonly [string, VirtualKubeletError])[] = [
  ["422 for metadata.uid", new VirtualKubeletError("Invalid", "metadata.uid: field is immutable", { httpStatus: 422 })],
  ["409", new VirtualKubeletError("Conflict", "Precondition failed: UID", { httpStatus: 409 })],
  ["404", new VirtualKubeletError("NotFound", "no such pod", { httpStatus: 404 })],
];

describe("a status write", () => {
  it("is sent once for one transition", async () => {
    await using writing = new Writing();
    assert.deepEqual(await writing.look(), ["patch Running"]);
    assert.deepEqual(await writing.look(), []);
    writing.state = ended;
    assert.deepEqual(await writing.look(), ["patch Succeeded"]);
    writing.state = running;
    assert.deepEqual(await writing.look(), [], "a terminal phase never leaves");
  });

  it("that somebody else undoes each time is made ten times in a row, and then every ten seconds", async () => {
    await using writing = new Writing();
    let version = 1000;
    const undo = (): void => {
      if (writing.pod === undefined) return;
      const metadata = { ...writing.pod.metadata, resourceVersion: String(version++) };
      writing.pod = { ...writing.pod, metadata, status: { phase: "Pending" } };
    };
    let writes = (await writing.look()).length;
    for (let turn = 0; turn < 600; turn++) {
      undo();
      writes += (await writing.look(100)).length;
    }
    assert.ok(writes >= 15 && writes <= 18, `${writes} writes in a minute`);
    assert.equal(writing.warnings.length, 1);
    undo();
    writing.state = ended;
    assert.deepEqual(await writing.look(), ["patch Succeeded"], "the end of a pod is told at once");
    writing.pod = undefined;
    await writing.look();
    assert.equal(writing.manager.size, 0);
  });

  it("is not put off by others who write what is theirs", async () => {
    await using writing = new Writing();
    await writing.look();
    for (let turn = 0; turn < 50; turn++) {
      const { pod } = writing;
      if (pod === undefined) break;
      const metadata = { ...pod.metadata, labels: { turn: String(turn) }, resourceVersion: String(++writing.version) };
      writing.pod = { ...pod, metadata, status: writing.manager.current(pod) };
      assert.deepEqual(await writing.look(), []);
    }
    assert.deepEqual(writing.warnings, []);
  });

  it("is not put off by others who write what is theirs while the pod changes each time", async () => {
    await using writing = new Writing();
    await writing.look();
    for (let turn = 0; turn < 50; turn++) {
      const { pod } = writing;
      if (pod === undefined) break;
      const metadata = { ...pod.metadata, labels: { turn: String(turn) }, resourceVersion: String(++writing.version) };
      writing.pod = { ...pod, metadata, status: writing.manager.current(pod) };
      writing.state =
        turn % 2 === 0
          ? { waiting: { reason: "CrashLoopBackOff" } }
          : { running: { startedAt: "2026-01-01T00:00:00Z" } };
      assert.equal((await writing.look()).length, 1, `turn ${turn}`);
    }
  });

  for (const [what, error] of wrongUid)
    it(`answered ${what}: dropped, and not tried again`, async () => {
      await using writing = new Writing();
      writing.answer = () => {
        throw error;
      };
      assert.deepEqual(await writing.look(600_000), ["patch Running"]);
    });

  for (const [kind, httpStatus] of [
    ["Unavailable", 500],
    ["Throttled", 429],
    ["Forbidden", 403],
    ["Invalid", 422],
  ] as const)
    it(`answered ${httpStatus}: tried again with back-off, up to a minute, with the newest status`, async () => {
      await using writing = new Writing();
      const times: number[] = [];
      writing.answer = () => {
        times.push(writing.clock.now());
        throw new VirtualKubeletError(kind, "status.phase: no", { httpStatus });
      };
      await writing.look(300_000);
      const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0));
      assert.ok(gaps.length >= 8 && Math.max(...gaps) <= 60_000);
      assert.ok((gaps[0] ?? 0) <= 200);
      writing.state = ended;
      writing.answer = () => {};
      await writing.clock.advance(60_000);
      assert.equal(writing.sent.at(-1), "patch Succeeded");
    });

  it("carries the UID of the pod that it is for", async () => {
    await using writing = new Writing();
    let body: unknown;
    writing.answer = (_verb, sent) => {
      body = sent;
    };
    await writing.look();
    assert.match(JSON.stringify(body), /^\{"metadata":\{"uid":"u"\}/);
  });

  it("as PUT, on a conflict, becomes a patch; a refused patch after it is dropped", async () => {
    await using writing = new Writing("put");
    writing.answer = (verb) => {
      if (verb === "put") throw new VirtualKubeletError("Conflict", "modified", { httpStatus: 409 });
    };
    assert.deepEqual(await writing.look(), ["put Running", "patch Running"]);
    writing.state = ended;
    assert.deepEqual(await writing.look(), ["patch Succeeded"], "the cached object is known to be old");
  });
});

describe("the DELETE", () => {
  it("follows the terminal status, with grace 0 and the UID, once", async () => {
    await using writing = new Writing();
    writing.removable = true;
    assert.deepEqual(await writing.look(), ["patch Running"], "not while it runs");
    writing.state = ended;
    assert.deepEqual(await writing.look(), ["patch Succeeded", "delete 0 u"]);
    assert.deepEqual(await writing.look(), []);
    assert.deepEqual(await writing.look(40_000), [], "nobody asked");
    assert.deepEqual(await writing.look(), ["delete 0 u"], "still there after half a minute");
  });

  it("is not sent when the terminal status could not be written", async () => {
    await using writing = new Writing();
    writing.removable = true;
    writing.state = ended;
    writing.answer = (verb) => {
      if (verb === "patch") throw new VirtualKubeletError("Unavailable", "500");
    };
    const sent = await writing.look(120_000);
    assert.ok(sent.length > 4 && sent.every((one) => one === "patch Succeeded"));
  });

  it("is tried again until it is answered; 404 and 409 are answers", async () => {
    for (const [, error] of wrongUid.slice(1)) {
      await using writing = new Writing();
      let failures = 3;
      writing.removable = true;
      writing.state = ended;
      writing.answer = (verb) => {
        if (verb === "delete") throw failures-- > 0 ? new VirtualKubeletError("Unavailable", "500") : error;
      };
      const sent = await writing.look(600_000);
      assert.deepEqual(
        sent.filter((one) => one.startsWith("delete")),
        Array.from({ length: 4 }, () => "delete 0 u"),
      );
    }
  });
});

describe("the echo of a write", () => {
  const echoed = (pod: Stored<Pod> | undefined, resourceVersion: string): Stored<Pod> => {
    assert.ok(pod !== undefined);
    return { ...pod, metadata: { ...pod.metadata, resourceVersion }, status: { phase: "Running" } };
  };

  it("is known as such", async () => {
    await using writing = new Writing();
    await writing.look();
    const before = writing.pod;
    assert.equal(writing.manager.isOwn(echoed(before, "11"), before), true);
    assert.equal(writing.manager.isOwn(echoed(before, "12"), before), false, "somebody else's");
  });

  it("is none when somebody else wrote between what it was made from and itself", async () => {
    await using writing = new Writing();
    await writing.look();
    const between = echoed(writing.pod, "10.5");
    assert.equal(writing.manager.isOwn(echoed(between, "11"), between), false);
  });

  it("of the second of two writes follows the first", async () => {
    await using writing = new Writing();
    await writing.look();
    const before = writing.pod;
    writing.state = ended;
    await writing.look();
    const first = echoed(before, "11");
    assert.equal(writing.manager.isOwn(first, before), false, "an older write of ours");
    assert.equal(writing.manager.isOwn(echoed(first, "12"), first), true);
  });
});

describe("the memory of writes", () => {
  it("goes with the pod, also when it leaves while a write is under way", async () => {
    for (const leaves of ["patch", "delete"]) {
      await using writing = new Writing();
      writing.state = ended;
      writing.removable = true;
      writing.answer = (verb) => {
        if (verb !== leaves) return;
        writing.pod = undefined;
        writing.manager.forget("u");
      };
      await writing.look();
      assert.equal(writing.manager.size, 0, leaves);
    }
  });

  it("outlives a cache that lags behind", async () => {
    await using writing = new Writing();
    await writing.look();
    assert.ok(writing.pod !== undefined);
    assert.equal(writing.manager.current(writing.pod).phase, "Running");
    const newer = { ...writing.pod, metadata: { ...writing.pod.metadata, resourceVersion: "100" } };
    assert.equal(writing.manager.current(newer).phase, "Pending", "a newer object is the truth");
  });
});
