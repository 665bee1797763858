// What the kernel's log says of processes that it killed, and of which containers that was the end.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ContainerDetails } from "../engine/engine-client.ts";
import { type Kill, parseKill } from "./kernel-log.ts";
import { OomWatch } from "./oom-watch.ts";

const id = "ab".repeat(32);
const other = "cd".repeat(32);
const group = `/virtual-kubelet/n/pod1/libpod-${id}`;

describe("the kernel's log", () => {
  it("names what was killed, and its control group where there is time for it", () => {
    const groupRecord = `6,5954,10690722208,-;oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/x,task_memcg=${group},task=sh, pid=7,pid=10085,uid=65534\n`;
    assert.deepEqual(parseKill(groupRecord, 1000), { at: 1000 + 10_690_722.208, pid: 10_085, group });
    const killed = "Killed process 10085 (sh) total-vm:59948kB, anon-rss:20248kB";
    for (const begin of ["Memory cgroup out of memory: ", "Out of memory: "])
      assert.deepEqual(parseKill(`3,5955,2000,-;${begin}${killed}\n`, 0), { at: 2, pid: 10_085, group: undefined });
  });

  it("is not believed when somebody else than the kernel wrote it, and says nothing of anything else", () => {
    const text = "Memory cgroup out of memory: Killed process 10085 (sh) total-vm:59948kB";
    for (const record of [`11,5955,2000,-;${text}`, "4,1,2,-;sh invoked oom-killer: gfp_mask=0xcc0", "", "x", " A=B"])
      assert.equal(parseKill(record, 0), undefined, record);
  });
});

const running: ContainerDetails = {
  ...{ id, name: "c", labels: {}, state: "running", running: true, pid: 50, exitCode: 0, oomKilled: false, error: "" },
  ...{ createdAt: 1000, startedAt: 10_000, image: "", imageID: "", addresses: [], logPath: "", logDriver: "" },
  ...{ tty: false, openStdin: false, cgroupPath: "", restartCount: 0 },
};
const ended: ContainerDetails = {
  ...running,
  ...{ running: false, state: "exited", pid: 0, exitCode: 137, finishedAt: 20_000 },
};

describe("a container that was killed for want of memory", () => {
  const table: readonly (readonly [
    string,
    boolean,
    { readonly kill?: Kill; readonly change?: Partial<ContainerDetails>; readonly unseen?: boolean },
  ])[] = [
    ["its main process was killed", true, { kill: { at: 19_990, pid: 50, group } }],
    ["it was, and the kernel had no time for the group", true, { kill: { at: 19_990, pid: 50, group: undefined } }],
    ["it was long dying", true, { kill: { at: 12_000, pid: 50, group } }],
    ["nobody saw it run, and it ended at once", true, { kill: { at: 19_500, pid: 50, group }, unseen: true }],
    ["the engine says so", true, { change: { oomKilled: true } }],
    ["a child was, and the shell passed that on", true, { kill: { at: 19_900, pid: 51, group } }],
    ["a child was, and the container lived on and was killed later", false, { kill: { at: 12_000, pid: 51, group } }],
    [
      "a child was, and the container ended by itself",
      false,
      { kill: { at: 19_900, pid: 51, group }, change: { exitCode: 1 } },
    ],
    ["another container's was", false, { kill: { at: 19_990, pid: 60, group: group.replace(id, other) } }],
    [
      "another container's was, with the same pid before",
      false,
      { kill: { at: 5000, pid: 50, group: group.replace(id, other) } },
    ],
    ["another process's was, after it", false, { kill: { at: 30_000, pid: 50, group: undefined } }],
    ["it was killed by somebody", false, {}],
    ["it never ran", false, { kill: { at: 19_990, pid: 50, group }, change: { startedAt: undefined } }],
  ];
  for (const [name, expected, { kill, change, unseen }] of table)
    it(`${expected ? "is" : "is none where"}: ${name}`, () => {
      const watch = new OomWatch(() => (kill === undefined ? [] : [kill]));
      if (unseen !== true) assert.equal(watch.hasKilled(running), false);
      assert.equal(watch.hasKilled({ ...ended, ...change }), expected);
    });
});
