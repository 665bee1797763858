// Control groups by files that look like them: what is found on a host, written as limits, read as figures, in both versions.
import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, describe, it } from "node:test";
import { cgroupFigures, cgroupMounts, outOfMemoryKills, processGroups } from "./cgroup-figures.ts";
import { findCgroups, limitCgroups } from "./cgroups.ts";

const directory = mkdtempSync(join(tmpdir(), "vk-cgroups-"));
after(() => rm(directory, { recursive: true }));

function group(name: string, files: Readonly<Record<string, string>>): string {
  const path = join(directory, name);
  mkdirSync(path, { recursive: true });
  for (const [file, text] of Object.entries(files)) writeFileSync(join(path, file), text);
  return path;
}
const read = (path: string, file: string): string => readFileSync(join(path, file), "utf8");
const mount = (path: string, type: string, options: string): string =>
  `30 23 0:26 / ${path} rw - ${type} ${type} rw,${options}\n`;

describe("control groups", () => {
  it("are found in either version, and not where controllers are missing or may not be written", () => {
    const [cpu, memory, pids] = ["cpu", "memory", "pids"].map((name) => group(`v1/${name}`, {}));
    assert.ok(cpu !== undefined && memory !== undefined && pids !== undefined);
    const v1 = mount(cpu, "cgroup", "cpu,cpuacct") + mount(memory, "cgroup", "memory") + mount(pids, "cgroup", "pids");
    assert.deepEqual(findCgroups(v1), { version: 1, mounts: { cpu, cpuacct: cpu, memory, pids } });
    assert.equal(findCgroups(mount(memory, "cgroup", "memory")), undefined);
    const v2 = group("v2", { "cgroup.controllers": "cpuset cpu io memory pids\n" });
    assert.deepEqual(findCgroups(mount(v2, "cgroup2", "")), { version: 2, mount: v2 });
    const bare = group("bare", { "cgroup.controllers": "\n" });
    assert.equal(findCgroups(mount(bare, "cgroup2", "")), undefined);
    assert.equal(findCgroups(mount("/no/such/place", "cgroup2", "")), undefined);
    assert.equal(findCgroups(""), undefined);
  });

  it("have limits from requests and limits, and none without", () => {
    const v1 = group("limits1", {
      "cpu.shares": "",
      "cpu.cfs_quota_us": "",
      "cpu.cfs_period_us": "",
      "memory.limit_in_bytes": "",
    });
    const v2 = group("limits2", { "cpu.weight": "", "cpu.max": "", "memory.max": "" });
    limitCgroups([v1, v2], { requests: { cpu: "500m" }, limits: { cpu: "2", memory: "64Mi" } });
    assert.deepEqual(
      ["cpu.shares", "cpu.cfs_quota_us", "cpu.cfs_period_us", "memory.limit_in_bytes"].map((file) => read(v1, file)),
      ["512", "200000", "100000", "67108864"],
    );
    assert.deepEqual(
      ["cpu.weight", "cpu.max", "memory.max"].map((file) => read(v2, file)),
      ["20", "200000 100000", "67108864"],
    );
    limitCgroups([v1, v2], {});
    assert.deepEqual(
      ["cpu.shares", "cpu.cfs_quota_us", "memory.limit_in_bytes"].map((file) => read(v1, file)),
      ["2", "-1", "-1"],
    );
    assert.deepEqual(
      ["cpu.weight", "cpu.max", "memory.max"].map((file) => read(v2, file)),
      ["1", "max 100000", "max"],
    );
  });

  it("have figures, and tell of kills for want of memory", () => {
    const v1 = [
      group("figures1/cpuacct", { "cpuacct.usage": "123456789\n" }),
      group("figures1/memory", {
        ...{
          "memory.usage_in_bytes": "1000\n",
          "memory.stat":
            "cache 5\ninactive_file 1\npgfault 1\ntotal_inactive_file 300\ntotal_rss 500\ntotal_pgfault 40\ntotal_pgmajfault 2\ntotal_swap 7\n",
          "memory.limit_in_bytes": "9223372036854771712\n",
        },
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
      }),
    ];
    const v2 = [
      group("figures2", {
        ...{ "cpu.stat": "usage_usec 1000\nuser_usec 900\n", "memory.current": "2000\n" },
        ...{ "memory.max": "4096\n", "pids.current": "3\n", "memory.swap.current": "0\n" },
        ...{
          "memory.stat": "anon 700\nfile 9\ninactive_file 100\npgfault 8\npgmajfault 1\n",
          "memory.events": "low 0\noom 1\noom_kill 1\n",
        },
      }),
    ];
    assert.deepEqual(cgroupFigures(v1), {
      ...{ cpuNanoseconds: 123_456_789, memoryBytes: 1000, workingSetBytes: 700, rssBytes: 500 },
      ...{ memoryLimitBytes: undefined, pageFaults: 40, majorPageFaults: 2, swapBytes: 7, tasks: undefined },
    });
    assert.deepEqual(cgroupFigures(v2), {
      ...{ cpuNanoseconds: 1_000_000, memoryBytes: 2000, workingSetBytes: 1900, rssBytes: 700 },
      ...{ memoryLimitBytes: 4096, pageFaults: 8, majorPageFaults: 1, swapBytes: 0, tasks: 3 },
    });
    assert.deepEqual(
      [outOfMemoryKills(v1), outOfMemoryKills(v2), outOfMemoryKills([]), outOfMemoryKills(["/gone"])],
      [2, 1, 0, 0],
    );
  });

  it("of a process are found by what is mounted where", () => {
    const text = "9:name=systemd:/a\n8:pids:/p/x\n4:memory:/m:y\n2:cpu,cpuacct:/c\n3:cpuset:/s\n0::/u\n";
    const v1 = mount("/cg/cpu", "cgroup", "cpu,cpuacct") + mount("/cg/memory", "cgroup", "memory");
    const v2 = mount("/cg/unified", "cgroup2", "");
    assert.deepEqual(processGroups(text, cgroupMounts(v1 + v2)), ["/cg/memory/m:y", "/cg/cpu/c"]);
    assert.deepEqual(processGroups(text, cgroupMounts(v2)), ["/cg/unified/u"]);
    assert.deepEqual(processGroups("", cgroupMounts(v2)), []);
  });
});
