// Needs root on Linux.
import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import {
  type ContainerSpec,
  isErrorKind,
  type Mount,
  type ResolvedVolume,
  type SandboxSpec,
  silentLogger,
} from "@virtual-kubelet/virtual-kubelet";
import { mountPointsUnder, mountsUnder, removeTree, runTool } from "@virtual-kubelet/virtual-kubelet/host";
import type { EngineMount } from "./engine/engine-client.ts";
import { PodFiles } from "./pod-files.ts";
import type { PodRecord } from "./pod-record.ts";

const uid = "0f1e2d3c-aaaa-bbbb-cccc-000000000001";
const owner = { cluster: "c", node: "n", namespace: "default", name: "web", uid };

function podOf(volumes: readonly ResolvedVolume[] = [], change: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    ...{ owner, revision: "1", hostname: "web", resolvConf: "nameserver 192.0.2.1\n", notes: {}, volumes },
    ...{ hostNetwork: false, hostPID: false, hostIPC: false, shareProcessNamespace: false, sysctls: {}, hostPorts: [] },
    ...change,
  };
}

function runOf(mounts: readonly Mount[] = [], change: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    ...{
      podUid: uid,
      name: "app",
      attempt: 0,
      image: "i",
      env: [],
      mounts,
      tty: false,
      stdin: false,
      stdinOnce: false,
    },
    ...{ hosts: "192.0.2.7\tweb\n", terminationMessagePath: "/dev/termination-log", security: {}, resources: {} },
    notes: {},
    ...change,
  };
}

const scratch: ResolvedVolume = { name: "scratch", type: "emptyDir", medium: "" };

function secret(text: string): ResolvedVolume {
  const file = { path: "key", mode: 0o600, secret: true, data: Buffer.from(text) };
  return { name: "secret", type: "files", files: [file], memory: true };
}

class Bench implements AsyncDisposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), "vk-pod-files-"));
  readonly host: string = join(this.directory, "host");
  hostPaths: readonly string[] = [this.host];

  constructor() {
    mkdirSync(this.host);
  }

  /** As a program that begins. */
  open(): Promise<PodFiles> {
    const { directory, hostPaths } = this;
    return PodFiles.open({ directory: join(directory, "node"), hostPaths, log: silentLogger, now: () => 0 });
  }

  async pod(spec: SandboxSpec): Promise<PodFiles> {
    const files = await this.open();
    const { owner: of, revision, notes, volumes: _, ...sandbox } = spec;
    const record: PodRecord = {
      owner: of,
      revision,
      notes,
      sandbox,
      createdAt: 1,
      infra: "",
      cgroupParent: "",
      startFaults: {},
    };
    await files.writeRecord(uid, record);
    await files.make(spec);
    return files;
  }

  get pods(): string {
    return join(this.directory, "node/pods");
  }

  get mounts(): readonly string[] {
    return mountsUnder(this.directory);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await removeTree(this.directory);
  }
}

function at(mounts: readonly EngineMount[], target: string): string {
  const found = mounts.filter((mount) => mount.Target === target);
  assert.equal(found.length, 1, `${found.length} mounts at ${target}`);
  return found[0]?.Source ?? "";
}

function text(mounts: readonly EngineMount[], target: string): string {
  return readFileSync(at(mounts, target), "utf8");
}

describe("what a run mounts", () => {
  it("volumes, each where it is asked for; files read-only; the files of its pod and its own message", async () => {
    await using bench = new Bench();
    const files = await bench.pod(podOf([scratch, secret("s")]));
    const mounts = await files.mountsOf(
      runOf([
        { volume: "scratch", mountPath: "/data", readOnly: false },
        { volume: "scratch", mountPath: "relative", readOnly: true },
        { volume: "secret", mountPath: "/etc/secret", readOnly: false },
      ]),
    );
    assert.deepEqual(
      mounts.map(({ Target, ReadOnly = false, BindOptions }) => [Target, ReadOnly, BindOptions?.Propagation]),
      [
        ["/data", false, "rprivate"],
        ["/relative", true, "rprivate"],
        ["/etc/secret", true, "rprivate"],
        ["/dev/termination-log", false, "rprivate"],
        ["/etc/hostname", false, "rprivate"],
        ["/etc/hosts", false, "rprivate"],
        ["/etc/resolv.conf", false, "rprivate"],
      ],
    );
    assert.equal(at(mounts, "/data"), at(mounts, "/relative"));
    assert.equal(readFileSync(join(at(mounts, "/etc/secret"), "key"), "utf8"), "s");
    assert.equal(text(mounts, "/etc/hostname"), "web\n");
    assert.equal(text(mounts, "/etc/hosts"), "192.0.2.7\tweb\n");
    assert.equal(text(mounts, "/etc/resolv.conf"), "nameserver 192.0.2.1\n");
    for (const path of ["/etc/hostname", "/etc/hosts", "/etc/resolv.conf"])
      assert.equal(statSync(at(mounts, path)).mode & 0o777, 0o644);
    assert.equal(statSync(at(mounts, "/dev/termination-log")).mode & 0o777, 0o666);
  });

  it("nothing of ours where the container has its own", async () => {
    await using bench = new Bench();
    const files = await bench.pod(podOf([scratch]));
    const paths = ["/etc/hosts", "/etc/resolv.conf/", "/dev/termination-log", "/etc/hostname"];
    const own = paths.map((mountPath): Mount => ({ volume: "scratch", mountPath, readOnly: false }));
    assert.deepEqual(
      (await files.mountsOf(runOf(own))).map(({ Target }) => Target),
      paths,
    );
    const none = await files.mountsOf(runOf([], { hosts: undefined, terminationMessagePath: "" }));
    assert.deepEqual(
      none.map(({ Target }) => Target),
      ["/etc/hostname", "/etc/resolv.conf"],
    );
  });

  it("one hosts file for all containers of a pod; in the host's network the host's with what is added", async () => {
    await using bench = new Bench();
    const files = await bench.pod(podOf());
    const first = at(await files.mountsOf(runOf()), "/etc/hosts");
    appendFileSync(first, "192.0.2.9\tadded\n");
    const second = await files.mountsOf(runOf([], { name: "sidecar", hosts: "192.0.2.8\tweb\n" }));
    assert.equal(at(second, "/etc/hosts"), first);
    assert.equal(readFileSync(first, "utf8"), "192.0.2.8\tweb\n");
    await files.removePod(uid);
    const host = await bench.pod(podOf([], { hostNetwork: true, resolvConf: undefined }));
    const mounts = await host.mountsOf(runOf([], { hosts: undefined, hostsAdded: "\n192.0.2.3\talias\n" }));
    const managed = `# Kubernetes-managed hosts file (host network).\n${readFileSync("/etc/hosts", "utf8")}`;
    assert.ok(text(mounts, "/etc/hosts").startsWith(managed.trimEnd()));
    assert.ok(text(mounts, "/etc/hosts").endsWith("192.0.2.3\talias\n"));
    assert.equal(text(mounts, "/etc/hostname"), `${hostname()}\n`);
  });

  it("mounts that come later, as far as it asks for them", async () => {
    await using bench = new Bench();
    const files = await bench.pod(podOf([{ name: "h", type: "hostPath", path: bench.host, hostPathType: "" }]));
    const mount = { volume: "h", readOnly: false };
    const mounts = await files.mountsOf(
      runOf([
        { ...mount, mountPath: "/from", mountPropagation: "HostToContainer" },
        { ...mount, mountPath: "/both", mountPropagation: "Bidirectional" },
      ]),
    );
    assert.deepEqual(
      mounts.slice(0, 2).map(({ BindOptions }) => BindOptions?.Propagation),
      ["rslave", "rshared"],
    );
    assert.equal(at(mounts, "/both"), bench.host);
  });
});

describe("paths in volumes", () => {
  const mount = { volume: "scratch", mountPath: "/x", readOnly: false };

  it("are held as they were, files too; missing ones have the mode and group of the volume", async () => {
    await using bench = new Bench();
    const files = await bench.pod(podOf([scratch, secret("0")], { fsGroup: 4321 }));
    const root = at(await files.mountsOf(runOf([{ ...mount }])), "/x");
    mkdirSync(join(root, "there"));
    writeFileSync(join(root, "there/file"), "content");
    const mounts = await files.mountsOf(
      runOf([
        { ...mount, mountPath: "/new", subPath: "a/b" },
        { ...mount, mountPath: "/file", subPath: "there/file" },
        { ...mount, mountPath: "/key", volume: "secret", subPath: "key" },
      ]),
    );
    const made = statSync(join(root, "a/b"));
    assert.deepEqual([made.mode & 0o7777, made.gid], [0o2777, 4321]);
    rmSync(join(root, "there"), { recursive: true });
    symlinkSync("/etc", join(root, "there"));
    assert.equal(text(mounts, "/file"), "content");
    await files.updateVolumes(uid, [secret("1")]);
    assert.equal(text(mounts, "/key"), "0");
    writeFileSync(join(at(mounts, "/new"), "file"), "");
    assert.ok(existsSync(join(root, "a/b/file")));
  });

  it("that lead out of theirs are refused, in words that tell nothing of the host", async () => {
    await using bench = new Bench();
    const files = await bench.pod(podOf([scratch]));
    const root = at(await files.mountsOf(runOf([mount])), "/x");
    writeFileSync(join(root, "file"), "");
    symlinkSync("/etc", join(root, "out"));
    symlinkSync("../../../record.json", join(root, "up"));
    const cases: readonly (readonly [string, string])[] = [
      ["/etc", "error SubPath `/etc` must not be an absolute path"],
      ["a/../../x", "unable to provision SubPath `a/../../x`: must not contain '..'"],
      ["out", 'failed to prepare subPath for volumeMount "scratch" of container "app"'],
      ["out/new", 'failed to prepare subPath for volumeMount "scratch" of container "app"'],
      ["up", 'failed to prepare subPath for volumeMount "scratch" of container "app"'],
      ["file/x", 'failed to create subPath directory for volumeMount "scratch" of container "app"'],
    ];
    for (const [subPath, message] of cases)
      await assert.rejects(files.mountsOf(runOf([{ ...mount, subPath }])), {
        ...{ kind: "Invalid", message, field: "volumeMounts.subPath" },
      });
    assert.deepEqual(bench.mounts, []);
  });

  it("of the host are within what pods may have", async () => {
    await using bench = new Bench();
    const path = join(bench.host, "tree");
    const volume: ResolvedVolume = { name: "h", type: "hostPath", path, hostPathType: "DirectoryOrCreate" };
    const files = await bench.pod(podOf([volume]));
    const [plain, within] = [
      { ...mount, volume: "h" },
      { ...mount, volume: "h", mountPath: "/y", subPath: "a" },
    ];
    const mounts = await files.mountsOf(runOf([plain, within]));
    writeFileSync(join(at(mounts, "/y"), "file"), "content");
    assert.equal(readFileSync(join(path, "a/file"), "utf8"), "content");
    // Another pod makes something else of it.
    rmSync(path, { recursive: true });
    symlinkSync("/etc", path);
    assert.ok(existsSync(join(at(mounts, "/x"))) && !existsSync(join(at(mounts, "/x"), "passwd")));
    for (const each of [plain, within])
      await assert.rejects(files.mountsOf(runOf([each])), (error) => isErrorKind(error, "Unsupported"));
    bench.hostPaths = ["/"];
    const all = await bench.open();
    assert.equal(at(await all.mountsOf(runOf([plain])), "/x"), path);
  });

  it("read-only ones are so with all below them, where that is asked for", async () => {
    await using bench = new Bench();
    mkdirSync(join(bench.host, "below"));
    await runTool("mount", ["-t", "tmpfs", "tmpfs", join(bench.host, "below")]);
    const volume: ResolvedVolume = { name: "h", type: "hostPath", path: bench.host, hostPathType: "" };
    const files = await bench.pod(podOf([scratch, volume]));
    const wanted: Mount = { volume: "h", mountPath: "/x", readOnly: true, recursiveReadOnly: "Enabled" };
    const source = at(await files.mountsOf(runOf([wanted])), "/x");
    assert.equal(mountPointsUnder(source).length, 2);
    assert.throws(() => writeFileSync(join(source, "below/file"), ""), { code: "EROFS" });
    writeFileSync(join(bench.host, "below/file"), "");
    await files.removeRun(runOf());
    assert.deepEqual(bench.mounts, [join(bench.host, "below")]);
    const plain = at(await files.mountsOf(runOf([{ volume: "scratch", mountPath: "/x", readOnly: false }])), "/x");
    const again = await files.mountsOf(runOf([{ ...wanted, volume: "scratch" }]));
    writeFileSync(join(plain, "file"), "content");
    assert.equal(readFileSync(join(at(again, "/x"), "file"), "utf8"), "content");
    assert.throws(() => writeFileSync(join(at(again, "/x"), "file"), ""), { code: "EROFS" });
  });
});

describe("what is kept of a pod", () => {
  it("is found again by the next program, and its volumes with it", async () => {
    await using bench = new Bench();
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
    await using bench = new Bench();
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

  it("nothing is left of runs and pods that are removed, as often as one likes", async () => {
    await using bench = new Bench();
    const files = await bench.pod(podOf([scratch, secret("0"), { ...scratch, name: "memory", medium: "Memory" }]));
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
    await using bench = new Bench();
    await bench.pod(podOf([secret("0")]));
    rmSync(join(bench.pods, uid, "record.json"));
    for (const [name, content] of Object.entries({ torn: "{", other: '{"record":{}}' })) {
      mkdirSync(join(bench.pods, name));
      writeFileSync(join(bench.pods, name, "record.json"), content);
    }
    const files = await bench.open();
    assert.deepEqual([files.uids(), readdirSync(bench.pods).sort(), bench.mounts], [[], ["other", "torn"], []]);
  });

  it("no name leads to another place", async () => {
    await using bench = new Bench();
    const files = await bench.pod(podOf([scratch]));
    for (const name of ["../x", "..", "a/b", ""]) {
      await assert.rejects(files.mountsOf(runOf([], { name })), (error) => isErrorKind(error, "Invalid"), name);
      await assert.rejects(files.removePod(name), (error) => isErrorKind(error, "Invalid"), name);
    }
  });
});
