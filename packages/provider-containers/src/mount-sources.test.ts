// Needs root on Linux.
import assert from "node:assert/strict";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { isErrorKind, type Mount, type ResolvedVolume } from "@virtual-kubelet/virtual-kubelet";
import { mountPointsUnder, runTool } from "@virtual-kubelet/virtual-kubelet/host";
import { at, FilesBench, podOf, runOf, scratch, secret, text, uid } from "./testing/pod-files-bench.ts";

describe("what a run mounts", () => {
  it("volumes, each where it is asked for; files read-only; the files of its pod and its own message", async () => {
    await using bench = new FilesBench();
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
    await using bench = new FilesBench();
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
    await using bench = new FilesBench();
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
    await using bench = new FilesBench();
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
    await using bench = new FilesBench();
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
    await using bench = new FilesBench();
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
    await using bench = new FilesBench();
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
    await using bench = new FilesBench();
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
