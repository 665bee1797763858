// What is done before the program ends: pods end where they are to, and only then.
import assert from "node:assert/strict";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { silentLogger } from "../log.ts";
import type { ShutdownRule } from "../pod/node-shutdown.ts";
import { type Config, processDefaults } from "./config.ts";
import { afterPods, machineGoesDown, rulesOf } from "./machine-shutdown.ts";

const critical = 2_000_000_000;
const settings = (change: Partial<Config["shutdown"]>): Config["shutdown"] => ({
  ...processDefaults.shutdown,
  ...change,
});

describe("rules of a shutdown", () => {
  const table: readonly (readonly [string, Partial<Config["shutdown"]>, readonly ShutdownRule[]])[] = [
    ["none by default", {}, []],
    [
      "a total, the last part of it for critical pods",
      { gracePeriod: 30_000, gracePeriodCriticalPods: 10_000 },
      [
        { priority: 0, gracePeriodSeconds: 20 },
        { priority: critical, gracePeriodSeconds: 10 },
      ],
    ],
    [
      "by priority",
      { gracePeriodByPodPriority: [{ priority: 100, gracePeriod: 5000 }] },
      [{ priority: 100, gracePeriodSeconds: 5 }],
    ],
  ];
  for (const [name, change, expected] of table) it(name, () => assert.deepEqual(rulesOf(settings(change)), expected));
});

describe("whether the machine goes down", () => {
  let directory = "";
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "machine-shutdown-"));
  });
  after(() => rm(directory, { recursive: true }));

  for (const [says, code, expected] of [
    ["stopping", 1, true],
    ["running", 0, false],
    ["degraded", 1, false],
    ["offline", 1, false],
  ] as const)
    it(`${says}: ${expected}`, async () => {
      const tool = join(directory, says);
      await writeFile(tool, `#!/bin/sh\n[ "$1" = is-system-running ] && echo ${says}\nexit ${code}\n`);
      await chmod(tool, 0o755);
      assert.equal(await machineGoesDown(tool), expected);
    });

  it("is not known without systemd", async () => {
    assert.equal(await machineGoesDown(join(directory, "none")), false);
  });
});

describe("the end of the program", () => {
  const told = async (
    shutdown: Config["shutdown"],
    goesDown: boolean,
    work: (() => Promise<void>) | undefined,
  ): Promise<AbortSignal> => {
    const stop = new AbortController();
    const shutDown = () => work;
    const end = afterPods(stop.signal, { shutdown, log: silentLogger, shutDown, goesDown: async () => goesDown });
    stop.abort();
    await new Promise(setImmediate);
    return end;
  };

  it("waits for the pods where they end", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const end = await told(settings({ gracePeriod: 1000 }), true, () => promise);
    assert.equal(end.aborted, false);
    resolve();
    await new Promise(setImmediate);
    assert.equal(end.aborted, true);
  });

  it("comes at once where they go on", async () => {
    let ended = 0;
    const work = async (): Promise<void> => {
      ended += 1;
    };
    for (const [shutdown, goesDown, what, expected] of [
      [settings({}), true, work, 0],
      [settings({ gracePeriod: 1000 }), false, work, 0],
      [settings({ gracePeriod: 1000 }), true, undefined, 0],
      [settings({ gracePeriod: 1000, when: "always" }), false, work, 1],
    ] as const) {
      ended = 0;
      assert.equal((await told(shutdown, goesDown, what)).aborted, true);
      assert.equal(ended, expected);
    }
  });

  it("comes although pods cannot be ended", async () => {
    const end = await told(settings({ gracePeriod: 1000 }), true, () => Promise.reject(new Error("no")));
    assert.equal(end.aborted, true);
  });
});
