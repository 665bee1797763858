// Decisions of the process provider that need no process: tables.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, symlinkSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../../errors.ts";
import { parseCpu, parseInterfaces, parseMeminfo } from "../../host/host-figures.ts";
import { nodeReport } from "../../host/node-report.ts";
import { descendants, parseStat } from "../../host/process-table.ts";
import { parseProcessConfig, readProcessConfig } from "./config.ts";
import { targetIn } from "./container-files.ts";
import { ImageMap } from "./image-map.ts";
import { oomScoreAdj } from "./oom-score.ts";
import { type RunFacts, runState } from "./run-record.ts";
import { enterScript } from "./run-scripts.ts";
import { signalNumber } from "./signals.ts";

describe("configuration", () => {
  it("has defaults that allow nothing", () => {
    const config = parseProcessConfig({ stateDirectory: "/var/lib/x/" });
    assert.deepEqual(config, {
      ...{
        stateDirectory: "/var/lib/x",
        isolation: "namespaces",
        network: "host",
        cgroups: "auto",
        cgroupParent: "virtual-kubelet",
        images: {},
        hostPaths: [],
      },
      ...{ user: { uid: 65534, gid: 65534 }, allowRoot: false, allowPrivileged: false, capacity: {} },
      logs: { maxSize: 10 * 1024 ** 2, maxFiles: 5 },
      pressure: { memoryAvailable: "100Mi", diskAvailable: "10%", inodesFree: "5%", pidsAvailable: "5%" },
    });
  });

  it("tells all faults at once", () => {
    assert.throws(
      () =>
        parseProcessConfig({
          stateDirectory: "x",
          isolation: "some",
          logs: { maxFiles: 1 },
          images: { a: "guest" },
          hostPaths: ["/a,b"],
          what: 1,
        }),
      (error) => {
        assert.ok(error instanceof VirtualKubeletError);
        for (const part of ["stateDirectory", "isolation", "logs.maxFiles", "images.a", "hostPaths[0]", "what"])
          assert.ok(error.message.includes(part), `${part} in ${error.message}`);
        return error.kind === "Invalid";
      },
    );
  });

  it("comes from a file or in place, not both, and must be there", async () => {
    await assert.rejects(readProcessConfig({ path: "/x", object: {} }), /not both/);
    await assert.rejects(readProcessConfig({ path: "/no/such/file" }), /cannot read \/no\/such\/file/);
    await assert.rejects(readProcessConfig({}), /stateDirectory/);
  });
});

describe("images", () => {
  const map = new ImageMap({
    busybox: { root: "/busybox" },
    "registry.example/team/*": { root: "/team" },
    "registry.example/team/app:*": { root: "/app" },
    "alpine:3.*": { root: "/alpine" },
    "registry.example/exact@sha256:0": {},
  });
  for (const [image, root] of [
    ["busybox", "/busybox"],
    ["busybox:latest", "/busybox"],
    ["busybox:1", undefined],
    ["registry.example/team/x:1", "/team"],
    ["registry.example/team/app:2", "/app"],
    ["registry.example/teams/x:1", undefined],
    ["alpine:3.20", "/alpine"],
    ["alpine:4", undefined],
    ["registryXexample/team/x:1", undefined],
  ] as const)
    it(`${image} is ${root ?? "not known"}`, () => assert.equal(map.find(image)?.root, root));

  it("an unknown one is NotFound, and the text says what to do", () => {
    assert.throws(() => map.get("nginx:1"), /image "nginx:1" is not among the images of this node/);
  });
});

describe("the state of a run", () => {
  const claim = { pid: 10, start: "1", boot: "b" };
  const main = { pid: 11, start: "2" };
  const facts: RunFacts = { over: false };
  for (const [what, expected, change, alive] of [
    ["nothing", "created", {}, []],
    ["a supervisor", "starting", { claim }, [10]],
    ["both", "running", { claim, main }, [10, 11]],
    ["the process alone", "running", { claim, main }, [11]],
    ["the supervisor alone", "ending", { claim, main }, [10]],
    ["neither", "lost", { claim, main }, []],
    ["a code that is being seen to", "ending", { claim, main, code: 0 }, [10]],
    ["a code", "exited", { claim, main, code: 0, over: true }, []],
    ["a code, the supervisor killed since", "exited", { claim, main, code: 3 }, []],
    ["another boot", "lost", { claim: { ...claim, boot: "a" }, main }, [10, 11]],
    ["another boot, ended before", "exited", { claim: { ...claim, boot: "a" }, code: 3, over: true }, [10]],
    ["another boot, ended just before", "exited", { claim: { ...claim, boot: "a" }, code: 3 }, [10]],
  ] as const satisfies readonly (readonly [string, string, Partial<RunFacts>, readonly number[]])[])
    it(`${what}: ${expected}`, () => {
      const known: readonly number[] = alive;
      assert.equal(runState({ ...facts, ...change }, "b", ({ pid }) => known.includes(pid)).type, expected);
    });
});

describe("/proc", () => {
  it("is read whatever a process calls itself", () => {
    const line = (name: string): string =>
      `42 (${name}) S 7 42 43 0 -1 0 1 2 3 4 100 20 3 4 20 0 1 0 987654 111 222 333\n`;
    for (const name of ["sh", "a b", ") R 1 (", "x)"])
      assert.deepEqual(parseStat(line(name)), {
        pid: 42,
        start: "987654",
        state: "S",
        parent: 7,
        session: 43,
        cpuTicks: 127,
        rssPages: 222,
      });
    assert.equal(parseStat(""), undefined);
  });

  it("gives descendants in whatever order pids are", () => {
    const stat = (pid: number, parent: number) => ({
      pid,
      parent,
      start: "",
      state: "S",
      session: 0,
      cpuTicks: 0,
      rssPages: 0,
    });
    const all = [stat(3, 9), stat(5, 3), stat(9, 1), stat(4, 2), stat(2, 5)];
    assert.deepEqual(
      descendants(9, all).map(({ pid }) => pid),
      [3, 5, 4, 2],
    );
  });

  it("has figures", () => {
    const memory = parseMeminfo(
      "MemTotal:       1000 kB\nMemFree:  100 kB\nMemAvailable:    400 kB\nSwapTotal: 8 kB\nSwapFree: 4 kB\nAnonPages: 2 kB\n",
    );
    assert.deepEqual([memory.totalBytes, memory.availableBytes], [1_024_000, 409_600]);
    assert.equal(parseCpu("cpu  1 2 3 400 5 6 7 8 0 0\ncpu0 9\n"), 27e7);
    assert.deepEqual(parseInterfaces("h\nh\n    lo: 1 2\n  eth0: 10 1 2 0 0 0 0 0 20 3 4 0 0 0 0 0\n"), [
      { name: "eth0", rxBytes: 10, rxErrors: 2, txBytes: 20, txErrors: 4 },
    ]);
  });
});

describe("the node", () => {
  const host = {
    cpus: 4,
    memory: { totalBytes: 1000 * 1024, availableBytes: 500 * 1024 },
    disk: { totalBytes: 2000 * 1024, availableBytes: 201 * 1024, inodes: 100, inodesFree: 6 },
    pids: { max: 1000, current: 100 },
  };
  const { pressure } = parseProcessConfig({ stateDirectory: "/x", pressure: { memoryAvailable: "500Ki" } });
  const shortOf = (change: object, capacity: Readonly<Record<string, string>> = {}): readonly string[] =>
    nodeReport({ ...host, ...change }, { capacity, pressure }).conditions?.flatMap(({ type, status }) =>
      status === "True" ? [type] : [],
    ) ?? [];
  it("is short of what falls below its threshold", () => {
    assert.deepEqual(shortOf({}), []);
    assert.deepEqual(shortOf({ memory: { ...host.memory, availableBytes: 500 * 1024 - 1 } }), ["MemoryPressure"]);
    assert.deepEqual(shortOf({ disk: { ...host.disk, availableBytes: 199 * 1024 } }), ["DiskPressure"]);
    assert.deepEqual(shortOf({ disk: { ...host.disk, inodesFree: 4 } }), ["DiskPressure"]);
    assert.deepEqual(shortOf({ disk: { ...host.disk, inodes: 0, inodesFree: 0 } }), []);
    assert.deepEqual(shortOf({ pids: { max: 1000, current: 951 } }), ["PIDPressure"]);
  });
  it("has what the host has, or what is configured", () => {
    assert.deepEqual(nodeReport(host, { capacity: { pods: "7", "x/y": "1" }, pressure }).capacity, {
      ...{ cpu: "4", memory: "1000Ki", "ephemeral-storage": "2000Ki", pods: "7", "x/y": "1" },
    });
  });
});

describe("small things", () => {
  it("signals", () => {
    assert.deepEqual([undefined, "TERM", "SIGINT", "SIGRTMIN+3", "RTMAX-1"].map(signalNumber), [15, 15, 2, 37, 63]);
    for (const wrong of ["NOPE", "RTMIN-1", "RTMAX+1"]) assert.throws(() => signalNumber(wrong), /is no signal/);
  });

  it("out-of-memory scores", () => {
    assert.equal(oomScoreAdj({}, 1000), 1000);
    assert.equal(oomScoreAdj({ requests: { cpu: "1" } }, 1000), 999);
    assert.equal(oomScoreAdj({ requests: { memory: "250" } }, 1000), 750);
    assert.equal(oomScoreAdj({ limits: { memory: "5000" } }, 1000), 3);
  });

  it("no text gets out of its quotes in a script", () => {
    const script = enterScript({
      env: [{ name: "A", value: "'; touch /tmp/x; '" }],
      workingDir: "/a'b",
      noNewPrivileges: false,
    });
    assert.ok(script.includes(String.raw`export A=''\''; touch /tmp/x; '\'''`));
    assert.ok(script.includes(String.raw`cd '/a'\''b'`));
  });

  it("links of a root directory lead nowhere out of it", async () => {
    const root = mkdtempSync(join(tmpdir(), "vk-links-"));
    try {
      mkdirSync(join(root, "run"));
      mkdirSync(join(root, "var"));
      symlinkSync("/run", join(root, "var", "run"));
      symlinkSync("../../../../etc", join(root, "up"));
      symlinkSync("loop", join(root, "loop"));
      for (const [path, target] of [
        ["/var/run/secrets/x", "/run/secrets/x"],
        ["/up/passwd", "/etc/passwd"],
        ["/plain//a/./b/", "/plain/a/b"],
      ] as const)
        assert.equal(targetIn(root, path), target);
      assert.throws(() => targetIn(root, "/loop/x"), /too many links/);
      for (const wrong of ["/", "relative", ""]) assert.throws(() => targetIn(root, wrong), /absolute/);
    } finally {
      await rm(root, { recursive: true });
    }
  });
});
