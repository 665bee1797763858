// New contents of volumes of running pods: who writes them, and a real shell that does.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { ResolvedVolume } from "@virtual-kubelet/virtual-kubelet";
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
    const { writes, kept } = volumeWrites(
      group,
      ["token", "plain", "idle"].map((name) => volume(name, "new")),
    );
    assert.deepEqual(
      writes.map(({ container, path, volume: name }) => [container, path, name]),
      [["main", "/token", "token"]],
    );
    assert.deepEqual(kept, ["plain", "idle"]);
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
      const write = { container: "main", path: directory, files, volume: "token" };
      const { command, input } = writeCommand(write, request);
      assert.doesNotMatch(command.join(" "), /hunter2/);
      const [program = "", ...args] = command;
      assert.equal(spawnSync(program, args, { input }).status, 0);
      assert.equal(await readFile(join(directory, "deep/token"), "utf8"), "hunter2");
      assert.equal((await stat(join(directory, "deep/token"))).mode & 0o777, 0o640);
    } finally {
      await rm(directory, { recursive: true, force: true });
    }
  });
});
