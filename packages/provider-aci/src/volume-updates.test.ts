// New contents of volumes of running pods: who writes them, and a real shell that does.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type ResolvedVolume, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { fileDelivery } from "@virtual-kubelet/virtual-kubelet/cloud";
import { resolvedRequests } from "@virtual-kubelet/virtual-kubelet/testing";
import { helperContainer } from "./files-helper.ts";
import { updateVolumes, volumeWrites, writeCommand } from "./volume-updates.ts";
import type { ContainerGroup } from "./wire.ts";

const volume = (name: string, text: string): ResolvedVolume => ({
  ...{ name, type: "files", memory: true },
  files: [{ path: "deep/token", mode: 0o640, data: Buffer.from(text), secret: true }],
});

const group: ContainerGroup = {
  properties: {
    osType: "Linux",
    initContainers: [
      {
        name: helperContainer,
        properties: { volumeMounts: ["token", "idle"].map((name) => ({ name, mountPath: `/x/${name}` })) },
      },
    ],
    containers: [
      {
        name: "main",
        properties: {
          volumeMounts: [
            { name: "token", mountPath: "/token" },
            { name: "plain", mountPath: "/plain" },
            { name: "idle", mountPath: "/idle", readOnly: true },
          ],
          instanceView: { currentState: { state: "Running" } },
        },
      },
    ],
  },
};
const [request] = resolvedRequests("{kind: Pod, metadata: {name: p}, spec: {containers: [{name: main, image: i}]}}", {
  ...{ node: "n", cluster: "c" },
});

describe("new contents", () => {
  it("are written by a running container that can; other volumes stay", () => {
    const { writes, kept, early } = volumeWrites(
      group,
      ["token", "plain", "idle"].map((name) => volume(name, "new")),
    );
    assert.deepEqual(
      writes.map(({ by, volume: name }) => [name, by]),
      [["token", [{ container: "main", path: "/token" }]]],
    );
    assert.deepEqual([kept, early], [["plain", "idle"], []]);
  });

  it("wait for a container that does not run yet, and stay where none will", () => {
    const inState = (state: string | undefined): ContainerGroup => {
      const [main] = group.properties.containers;
      assert.ok(main !== undefined);
      const instanceView = state === undefined ? undefined : { currentState: { state } };
      const containers = [{ ...main, properties: { ...main.properties, instanceView } }];
      return { ...group, properties: { ...group.properties, containers } };
    };
    const parts = (state: string | undefined): readonly unknown[] => {
      const { writes, kept, early } = volumeWrites(inState(state), [volume("token", "new")]);
      return [writes, kept, early];
    };
    for (const state of [undefined, "Waiting"]) assert.deepEqual(parts(state), [[], [], ["token"]]);
    assert.deepEqual(parts("Terminated"), [[], ["token"], []]);
  });

  it("are written by another container where one cannot; where none can, it is told why", async () => {
    assert.ok(request !== undefined);
    const [main] = group.properties.containers;
    assert.ok(main !== undefined);
    const two = { ...group, properties: { ...group.properties, containers: [main, { ...main, name: "second" }] } };
    const done: string[] = [];
    await updateVolumes(two, request, [volume("token", "new")], async (container) => {
      done.push(container);
      if (container === "main") throw new VirtualKubeletError("Unsupported", "no shell");
      return 0;
    });
    assert.deepEqual(done, ["main", "second"]);
    await assert.rejects(
      updateVolumes(two, request, [volume("token", "new")], async () => 127),
      { kind: "Unsupported", message: /token \(main: exit code 127; second: exit code 127\)$/ },
    );
  });

  it("what stays is told, with the names, after the rest is done", async () => {
    assert.ok(request !== undefined);
    const done: string[] = [];
    const update = updateVolumes(
      group,
      request,
      [volume("plain", "new"), volume("token", "new")],
      async (container) => {
        done.push(container);
        return 0;
      },
    );
    await assert.rejects(update, { kind: "Unsupported", message: /^volumes plain keep/ });
    assert.deepEqual(done, ["main"]);
  });

  it("by a shell: path, mode and content, and nothing of it among its arguments", async () => {
    assert.ok(request !== undefined);
    const directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-volume-"));
    try {
      const { files } = volume("token", "hunter2") as Extract<ResolvedVolume, { type: "files" }>;
      const { command, input } = writeCommand({ files, volume: "token" }, directory, request);
      assert.doesNotMatch(command.join(" "), /hunter2/);
      const [program = "", ...args] = command;
      // As a process that is not root, in what the helper made as root.
      const [before] = [volume("token", "old")] as const;
      assert.ok(before.type === "files");
      const helper = fileDelivery([{ path: directory, files: before.files, field: "f" }]);
      const env = Object.fromEntries(helper.variables.map(({ name, value }) => [name, value]));
      const made = spawnSync("/bin/sh", ["-c", helper.script], { env: { ...env, PATH: process.env["PATH"] } });
      assert.equal(made.status, 0, made.stderr.toString());
      const user = process.getuid?.() === 0 ? { uid: 1234, gid: 1234 } : {};
      const run = spawnSync(program, args, { input, ...user });
      assert.equal(run.status, 0, run.stderr.toString());
      assert.equal(await readFile(join(directory, "deep/token"), "utf8"), "hunter2");
      assert.equal((await stat(join(directory, "deep/token"))).mode & 0o777, 0o640);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
