// Needs root on Linux.
import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { isErrorKind, type ResolvedVolume, type SandboxSpec } from "@virtual-kubelet/virtual-kubelet";
import { unmountUnder } from "@virtual-kubelet/virtual-kubelet/host";
import { at, FilesBench, podOf, runOf, scratch, secret, text, uid } from "./testing/pod-files-bench.ts";

describe("what is kept of a pod", () => {
  it("is found again by the next program, and its volumes with it", async () => {
    await using bench = new FilesBench();
    const memory: ResolvedVolume = { name: "memory", type: "emptyDir", medium: "Memory", sizeLimit: 4096 };
    const limits = { resources: { limits: { memory: "64Mi", cpu: "1" }, requests: { cpu: "500m" } } };
    const full: Partial<SandboxSpec> = {
      ...{ fsGroup: 4321, qosClass: "Burstable", sysctls: { "net.core.somaxconn": "1" }, ...limits },
      hostPorts: [{ hostIP: "127.0.0.1", hostPort: 80, containerPort: 8080, protocol: "TCP" }],
    };
    const first = await bench.pod(podOf([scratch, memory, secret("0")], full));
    const record = first.record(uid);
    assert.ok(record?.sandbox !== undefined);
    await first.writeRecord(uid, { ...record, infra: "abc", startFaults: { "app/0": { at: 5, message: "no" } } });
    const root = at(await first.mountsOf(runOf([{ volume: "scratch", mountPath: "/x", readOnly: false }])), "/x");
    writeFileSync(join(root, "env"), "K=V");
    appendFileSync(join(bench.pods, uid, "containers/app/0/termination-log"), `${"x".repeat(5000)}end`);

    const next = await bench.open();
    assert.deepEqual(next.uids(), [uid]);
    assert.deepEqual(next.record(uid), first.record(uid));
    assert.equal(Buffer.from(await next.readVolumeFile(uid, "scratch", "env")).toString(), "K=V");
    assert.deepEqual(
      next.measuredPaths(uid).map(({ name, memory: inMemory }) => [name, inMemory]),
      [
        ["scratch", false],
        ["memory", true],
        ["secret", true],
      ],
    );
    const message = await next.terminationMessage(runOf());
    assert.equal(message.length, 4096);
    assert.ok(message.endsWith("xend"));
    assert.equal(await next.terminationMessage(runOf([], { attempt: 1 })), "");
    // The group is the pod's.
    await next.updateVolumes(uid, [secret("1"), { ...scratch, name: "unknown" }]);
    const { gid, mode } = statSync(join(bench.pods, uid, "volumes/secret/key"));
    assert.deepEqual([gid, mode & 0o777], [4321, 0o640]);
  });

  it("volumes are given back, messages stay, and all can be made again", async () => {
    await using bench = new FilesBench();
    const spec = podOf([scratch, secret("0")]);
    const files = await bench.pod(spec);
    const within = { volume: "secret", mountPath: "/x", subPath: "key", readOnly: false };
    await files.mountsOf(runOf([within]));
    writeFileSync(join(bench.pods, uid, "containers/app/0/termination-log"), "bye");
    assert.equal(bench.mounts.length, 2);
    await files.removeVolumes(uid);
    await files.removeVolumes(uid);
    assert.deepEqual([bench.mounts, files.measuredPaths(uid)], [[], []]);
    assert.equal(await files.terminationMessage(runOf()), "bye");
    await files.updateVolumes(uid, [secret("1")]);
    assert.deepEqual(bench.mounts, []);
    await files.make(spec);
    assert.equal(text(await files.mountsOf(runOf([within], { attempt: 1 })), "/x"), "0");
  });

  it("a restart of the host leaves no run with an empty place for a path in a volume", async () => {
    await using bench = new FilesBench();
    const spec = podOf([scratch, secret("0")]);
    const files = await bench.pod(spec);
    const mounts = [
      { volume: "scratch", mountPath: "/x", subPath: "a", readOnly: false },
      { volume: "secret", mountPath: "/key", subPath: "key", readOnly: false },
    ];
    const made = await files.mountsOf(runOf(mounts));
    const places = [at(made, "/x"), at(made, "/key")];
    await files.make(spec);
    assert.deepEqual(places.map(existsSync), [true, true]);
    await unmountUnder(bench.directory);
    await (await bench.open()).make(spec);
    assert.deepEqual(places.map(existsSync), [false, false]);
  });

  it("nothing is left of runs and pods that are removed, as often as one likes", async () => {
    await using bench = new FilesBench();
    const files = await bench.pod(
      podOf([scratch, secret("0"), { name: "memory", type: "emptyDir", medium: "Memory" }]),
    );
    await files.mountsOf(runOf([{ volume: "scratch", mountPath: "/x", subPath: "a", readOnly: false }]));
    await files.mountsOf(runOf([], { attempt: 1 }));
    await files.removeRun(runOf());
    await files.removeRun(runOf());
    assert.deepEqual(readdirSync(join(bench.pods, uid, "containers/app")), ["1"]);
    await files.removePod(uid);
    await files.removePod(uid);
    assert.deepEqual([readdirSync(bench.pods), bench.mounts, files.uids()], [[], [], []]);
    await assert.rejects(files.mountsOf(runOf()), (error) => isErrorKind(error, "NotFound"));
  });

  it("remains of a removal go with the next program; what cannot be read is left alone", async () => {
    await using bench = new FilesBench();
    await bench.pod(podOf([secret("0")]));
    rmSync(join(bench.pods, uid, "record.json"));
    for (const [name, content] of Object.entries({ torn: "{", other: '{"record":{}}' })) {
      mkdirSync(join(bench.pods, name));
      writeFileSync(join(bench.pods, name, "record.json"), content);
    }
    const files = await bench.open();
    assert.deepEqual([files.uids(), readdirSync(bench.pods).sort(), bench.mounts], [[], ["other", "torn"], []]);
  });

  it("what a container makes of the files that it shares is not read, however large", async () => {
    await using bench = new FilesBench();
    const spec = podOf();
    const files = await bench.pod(spec);
    await files.mountsOf(runOf());
    // More than a string can hold, and nothing on the disk.
    for (const name of ["etc-hosts", "resolv.conf", "hostname"]) truncateSync(join(bench.pods, uid, name), 3e9);
    await files.mountsOf(runOf([], { attempt: 1 }));
    await files.make(spec);
    const contents = ["etc-hosts", "resolv.conf", "hostname"].map((name) =>
      readFileSync(join(bench.pods, uid, name), "utf8"),
    );
    assert.deepEqual(contents, ["192.0.2.7\tweb\n", "nameserver 192.0.2.1\n", "web\n"]);
  });

  it("no name leads to another place", async () => {
    await using bench = new FilesBench();
    const files = await bench.pod(podOf([scratch]));
    for (const name of ["../x", "..", "a/b", ""]) {
      await assert.rejects(files.mountsOf(runOf([], { name })), (error) => isErrorKind(error, "Invalid"), name);
      await assert.rejects(files.removePod(name), (error) => isErrorKind(error, "Invalid"), name);
    }
  });
});
