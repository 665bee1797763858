// Needs root on Linux.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, it } from "node:test";
import { isErrorKind } from "../errors.ts";
import type { ResolvedVolume } from "../resolved-pod.ts";
import { mountsUnder, removeTree, unmountUnder } from "./mounts.ts";
import { makeVolumes, updateFiles, type VolumeRules } from "./pod-volumes.ts";

const rules: VolumeRules = { root: true, hostPaths: [], now: () => 0 };
const MiB = 1024 * 1024;

function emptyDir(name: string, medium = "", sizeLimit?: number): ResolvedVolume {
  return { name, type: "emptyDir", medium, sizeLimit };
}

function files(text: string): ResolvedVolume {
  const file = { secret: true, data: Buffer.from(text) };
  return {
    ...{ name: "files", type: "files", memory: true },
    files: [
      { ...file, path: "key", mode: 0o644 },
      { ...file, path: "in/own", mode: 0o400, uid: 1234 },
    ],
  };
}

describe("volumes of a pod", () => {
  let directory = "";
  beforeEach(() => {
    directory = join(mkdtempSync(join(tmpdir(), "vk-volumes-")), "volumes");
  });
  afterEach(() => removeTree(join(directory, "..")));

  const facts = (path: string): string => {
    const { mode, uid, gid } = statSync(join(directory, path));
    return `${(mode & 0o7777).toString(8)} ${uid}:${gid}`;
  };

  for (const medium of ["", "Memory"])
    it(`emptyDir of medium "${medium}" is for everybody, and the group's where there is one`, async () => {
      const before = process.umask(0o077);
      try {
        await makeVolumes(directory, [emptyDir("all", medium)], undefined, rules);
        await makeVolumes(directory, [emptyDir("group", medium)], 5555, rules);
      } finally {
        process.umask(before);
      }
      const sticky = medium === "Memory" ? 1 : 0;
      assert.equal(facts("all"), `${sticky === 1 ? "1" : ""}777 0:0`);
      assert.equal(facts("group"), `${2 + sticky}777 0:5555`);
      writeFileSync(join(directory, "group/new"), "");
      assert.equal(statSync(join(directory, "group/new")).gid, 5555);
      assert.equal(mountsUnder(directory).length, medium === "" ? 0 : 2);
    });

  it("emptyDir in memory has its own limit or the pod's, whichever is less", async () => {
    const size = async (name: string): Promise<number> => {
      const { blocks, bsize } = await statfs(join(directory, name));
      return blocks * bsize;
    };
    const limited = { ...rules, memoryLimit: 8 * MiB };
    const volumes = [
      emptyDir("small", "Memory", 4 * MiB),
      emptyDir("big", "Memory", 16 * MiB),
      emptyDir("no", "Memory"),
    ];
    await makeVolumes(directory, volumes, undefined, limited);
    assert.deepEqual(await Promise.all(["small", "big", "no"].map(size)), [4 * MiB, 8 * MiB, 8 * MiB]);
  });

  it("made again, they keep what is in them and what the pod has made of their modes; memory that was lost is new", async () => {
    const volumes = [emptyDir("disk"), emptyDir("memory", "Memory")];
    const notes = await makeVolumes(directory, volumes, undefined, rules);
    for (const { name } of notes) {
      writeFileSync(join(directory, name, "file"), name);
      chmodSync(join(directory, name), 0o700);
    }
    const again = { ...rules, kept: new Set(notes.map(({ name }) => name)) };
    await makeVolumes(directory, volumes, undefined, again);
    for (const { name } of notes) {
      assert.equal(readFileSync(join(directory, name, "file"), "utf8"), name);
      assert.equal(facts(name), "700 0:0", name);
    }
    // As after a restart of the host.
    await unmountUnder(directory);
    await makeVolumes(directory, volumes, undefined, again);
    assert.deepEqual([facts("disk"), facts("memory")], ["700 0:0", "1777 0:0"]);
    assert.equal(statSync(join(directory, "memory/file"), { throwIfNoEntry: false }), undefined);
  });

  it("files have the modes and owners that are asked for, and the group may read them", async () => {
    await makeVolumes(directory, [files("0")], undefined, rules);
    assert.deepEqual(
      [facts("files/key"), facts("files/in/own"), facts("files/in")],
      ["644 0:0", "400 1234:0", "755 0:0"],
    );
    await updateFiles(directory, [files("1")], 5555, rules);
    assert.equal(readFileSync(join(directory, "files/key"), "utf8"), "1");
    assert.deepEqual(
      [facts("files/key"), facts("files/in/own"), facts("files/in")],
      ["644 0:5555", "440 1234:5555", "2755 0:5555"],
    );
    assert.deepEqual(mountsUnder(directory), [join(directory, "files")]);
  });

  it("hostPath without a type is made, where that is allowed", async () => {
    const parent = join(directory, "..");
    mkdirSync(join(parent, "host"));
    const volume: ResolvedVolume = { name: "h", type: "hostPath", path: join(parent, "host/new"), hostPathType: "" };
    const of = { ...rules, hostPaths: [join(parent, "host")] };
    await assert.rejects(makeVolumes(directory, [volume], undefined, of), (error) => isErrorKind(error, "Unavailable"));
    await makeVolumes(directory, [volume], undefined, { ...of, makeHostPaths: true });
    assert.equal(facts("../host/new"), "755 0:0");
  });

  it("what cannot be had is refused with its field", async () => {
    const cases: readonly (readonly [ResolvedVolume, string])[] = [
      [emptyDir("huge", "HugePages-2Mi"), "spec.volumes.emptyDir.medium"],
      [{ name: "claim", type: "backend" }, "spec.volumes"],
      [{ name: "h", type: "hostPath", path: "/etc", hostPathType: "" }, "spec.volumes.hostPath.path"],
    ];
    for (const [volume, field] of cases)
      await assert.rejects(makeVolumes(directory, [volume], undefined, rules), { kind: "Unsupported", field });
    await assert.rejects(makeVolumes(directory, [emptyDir("../up")], undefined, rules), { kind: "Invalid" });
  });
});
