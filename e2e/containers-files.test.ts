// What containers of a real engine find of their volumes and files, and that those who write into volumes get nowhere else. Needs
// root on Linux and podman.
import assert from "node:assert/strict";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import type { ContainersRuntime } from "../packages/provider-containers/src/containers-runtime.ts";
import type { ContainerSpec, SandboxSpec } from "../packages/virtual-kubelet/src/engine/container-runtime.ts";
import { mountsUnder } from "../packages/virtual-kubelet/src/host/mounts.ts";
import { runTool } from "../packages/virtual-kubelet/src/host/run-tool.ts";
import type { ResolvedVolume } from "../packages/virtual-kubelet/src/resolved-pod.ts";
import { context, openRuntime } from "./containers-bench.ts";
import { eventually } from "./harness.ts";
import { benchImage, PodmanBench } from "./podman.ts";

const patience = 60_000;

function emptyDir(name: string, medium = "", sizeLimit?: number): ResolvedVolume {
  return { name, type: "emptyDir", medium, sizeLimit };
}

function secret(text: string): ResolvedVolume {
  const file = { path: "key", mode: 0o440, secret: true, data: Buffer.from(text) };
  return {
    name: "secret",
    type: "files",
    memory: true,
    files: [file, { ...file, path: "own", mode: 0o600, uid: 1000 }],
  };
}

describe("files of containers of Podman", () => {
  let engine: PodmanBench;
  let runtime: ContainersRuntime;
  let host = "";
  let pods = 0;

  before(async () => {
    engine = await PodmanBench.start();
    host = join(engine.directory, "host");
    mkdirSync(join(host, "tree"), { recursive: true });
    runtime = await openRuntime(engine, "node-a", { hostPaths: [host] });
  });
  after(async () => {
    await using _engine = engine;
    await using _runtime = runtime;
    for (const { owner } of (await runtime?.list(context)) ?? []) await runtime.removeSandbox(owner.uid, context);
    assert.deepEqual(mountsUnder(join(engine.directory, "state")), []);
  });

  async function pod(volumes: readonly ResolvedVolume[], change: Partial<SandboxSpec> = {}): Promise<string> {
    const uid = `00000000-0000-0000-0000-${String(++pods).padStart(12, "0")}`;
    await runtime.createSandbox(
      {
        owner: { cluster: "c", node: "node-a", namespace: "default", name: `web-${pods}`, uid },
        ...{ revision: "1", hostname: "web", resolvConf: "nameserver 192.0.2.1\n", notes: {}, volumes },
        ...{ hostNetwork: false, hostPID: false, hostIPC: false, shareProcessNamespace: false },
        ...{ sysctls: {}, hostPorts: [], ...change },
      },
      context,
    );
    return uid;
  }

  function spec(podUid: string, script: string, change: Partial<ContainerSpec> = {}): ContainerSpec {
    return {
      ...{ podUid, name: "main", attempt: 0, image: benchImage, command: ["/bin/sh", "-c", script] },
      ...{ env: [], mounts: [], hosts: "192.0.2.7\tweb\n", tty: false, stdin: false, stdinOnce: false },
      ...{ terminationMessagePath: "/dev/termination-log", security: {}, resources: {}, notes: {}, ...change },
    };
  }

  async function start(of: ContainerSpec): Promise<ContainerSpec> {
    await runtime.createContainer(of, context);
    await runtime.startContainer(of, context);
    return of;
  }

  /** Its message, when it has ended well. */
  async function ended(of: ContainerSpec): Promise<string> {
    await eventually(`${of.name} has ended`, patience, async () => {
      const sandbox = await runtime.get(of.podUid, context);
      const run = sandbox?.containers.find(({ name, attempt }) => name === of.name && attempt === of.attempt);
      if (run?.state !== "exited") return false;
      assert.equal(run.exitCode, 0, JSON.stringify(run));
      return true;
    });
    return runtime.terminationMessage(of, context);
  }

  it("have the modes and owners that kubelets give them, as seen by another user than root", async () => {
    const MiB = 1024 * 1024;
    const volumes = [emptyDir("disk"), emptyDir("memory", "Memory", 4 * MiB), secret("s")];
    const uid = await pod(volumes, { fsGroup: 4321 });
    const paths = "/disk /memory /disk/new /memory/new /made /secret/key /secret/own /etc/hosts /dev/termination-log";
    const script = `umask 022; touch /disk/new /memory/new && stat -L -c '%n %a %u:%g' ${paths} >/dev/termination-log &&
      df -k /memory | tail -1 | tr -s ' ' | cut -d ' ' -f 2,6 >>/dev/termination-log && cat /secret/key /secret/own >>/dev/termination-log
      if touch /no /secret/no 2>/dev/null; then exit 9; fi`;
    const main = spec(uid, script, {
      security: { runAsUser: 1000, runAsGroup: 1000, readOnlyRootFilesystem: true },
      mounts: [
        { volume: "disk", mountPath: "/disk", readOnly: false },
        { volume: "memory", mountPath: "/memory", readOnly: false },
        { volume: "disk", mountPath: "/made", subPath: "a/b", readOnly: false },
        { volume: "secret", mountPath: "/secret", readOnly: false },
      ],
    });
    assert.deepEqual((await ended(await start(main))).split("\n"), [
      "/disk 2777 0:4321",
      "/memory 3777 0:4321",
      "/disk/new 644 1000:4321",
      "/memory/new 644 1000:4321",
      "/made 2777 0:4321",
      "/secret/key 440 0:4321",
      "/secret/own 640 1000:4321",
      "/etc/hosts 644 0:0",
      "/dev/termination-log 666 0:0",
      "4096 /memory",
      "ss",
    ]);
  });

  it("are those of the pod, for all its containers: volumes, hosts; a container's own message path", async () => {
    const uid = await pod([emptyDir("shared")]);
    const mounts = [{ volume: "shared", mountPath: "/shared", readOnly: false }];
    const writer = spec(uid, "echo told >/shared/file && echo '192.0.2.9 added' >>/etc/hosts", {
      name: "writer",
      mounts,
    });
    const reader = spec(
      uid,
      "until [ -e /shared/file ] && grep -q added /etc/hosts; do sleep 0.1; done; cat /shared/file /etc/hostname /etc/resolv.conf >/tmp/message",
      { name: "reader", mounts, terminationMessagePath: "/tmp/message" },
    );
    await start(reader);
    await ended(await start(writer));
    assert.equal(await ended(reader), "told\nweb\nnameserver 192.0.2.1\n");
  });

  it("change for running containers all at once, not those of paths in volumes, also when the program was another", async () => {
    const uid = await pod([secret("old")]);
    const main = spec(uid, 'until [ "$(cat /secret/key)" = new ]; do sleep 0.1; done; cat /one >/dev/termination-log', {
      mounts: [
        { volume: "secret", mountPath: "/secret", readOnly: true },
        { volume: "secret", mountPath: "/one", subPath: "key", readOnly: true },
      ],
    });
    await start(main);
    await runtime[Symbol.asyncDispose]();
    runtime = await openRuntime(engine, "node-a", { hostPaths: [host] });
    await runtime.updateVolumes(uid, [secret("new")], context);
    assert.equal(await ended(main), "old");
  });

  it("that a container made links of lead the next one nowhere", async () => {
    const tree: ResolvedVolume = {
      name: "tree",
      type: "hostPath",
      path: join(host, "tree"),
      hostPathType: "Directory",
    };
    const uid = await pod([emptyDir("disk"), tree]);
    const at = { mountPath: "/x", subPath: "data", readOnly: false };
    for (const volume of ["disk", "tree"]) {
      const mounts = [
        { ...at, volume },
        { volume, mountPath: "/all", readOnly: false },
      ];
      const first = spec(
        uid,
        "echo mine >/x/file && mv /all/data /all/old && ln -s /etc /all/data && ls /x >/dev/termination-log",
        {
          ...{ name: `first-${volume}`, mounts },
        },
      );
      assert.equal(await ended(await start(first)), "file\n");
      const second = spec(uid, "exit 0", { name: `second-${volume}`, mounts });
      await assert.rejects(runtime.createContainer(second, context), {
        kind: "Invalid",
        message: `failed to prepare subPath for volumeMount "${volume}" of container "second-${volume}"`,
      });
    }
    assert.equal(readFileSync(join(host, "tree/old/file"), "utf8"), "mine\n");
  });

  it("of the host show what is mounted there later, where that is asked for; read-only with all below", async () => {
    const shared = join(host, "shared");
    for (const path of [shared, join(shared, "later")]) mkdirSync(path);
    await runTool("mount", ["-t", "tmpfs", "tmpfs", shared]);
    try {
      await runTool("mount", ["--make-shared", shared]);
      for (const path of ["later", "before"]) mkdirSync(join(shared, path));
      await runTool("mount", ["-t", "tmpfs", "tmpfs", join(shared, "before")]);
      const uid = await pod([{ name: "shared", type: "hostPath", path: shared, hostPathType: "Directory" }]);
      const mount = { volume: "shared", readOnly: false };
      const script = `if touch /fixed/before/no 2>/dev/null; then exit 9; fi
        until [ -e /seen/later/file ]; do sleep 0.1; done; ls /hidden/later /fixed/later >/dev/termination-log`;
      const main = await start(
        spec(uid, script, {
          mounts: [
            { ...mount, mountPath: "/seen", mountPropagation: "HostToContainer" },
            { ...mount, mountPath: "/hidden" },
            { ...mount, mountPath: "/fixed", readOnly: true, recursiveReadOnly: "Enabled" },
          ],
        }),
      );
      await runTool("mount", ["-t", "tmpfs", "tmpfs", join(shared, "later")]);
      writeFileSync(join(shared, "later/file"), "");
      assert.equal(await ended(main), "/fixed/later:\n\n/hidden/later:\n");
      await runtime.removeSandbox(uid, context);
      // Nothing of the host's is unmounted with the pod.
      assert.deepEqual(mountsUnder(shared).length, 3);
    } finally {
      for (const path of mountsUnder(shared)) await runTool("umount", [path]);
    }
  });
});
