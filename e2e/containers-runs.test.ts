// What runs of containers are like on a real engine: as whom, with what rights, in which namespaces, and how their ends show.
// Needs root on Linux and podman.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { text } from "node:stream/consumers";
import { after, before, describe, it } from "node:test";
import type { ContainersRuntime } from "../packages/provider-containers/src/containers-runtime.ts";
import type {
  ContainerSpec,
  RuntimeContainer,
  SandboxSpec,
} from "../packages/virtual-kubelet/src/engine/container-runtime.ts";
import { isErrorKind, VirtualKubeletError } from "../packages/virtual-kubelet/src/errors.ts";
import { freePort } from "../packages/virtual-kubelet/src/testing/free-port.ts";
import { context, openRuntime } from "./containers-bench.ts";
import { eventually } from "./harness.ts";
import { benchImage, PodmanBench } from "./podman.ts";

const node = "node-a";
const userImage = "localhost/user:1";
const namedImage = "localhost/named:1";
const wordsImage = "localhost/words:1";
let engine: PodmanBench;
let runtime: ContainersRuntime;

before(async () => {
  engine = await PodmanBench.start();
  await engine.importImage(userImage, ["USER 1234"]);
  await engine.importImage(namedImage, ["USER nobody"]);
  await engine.importImage(wordsImage, ['ENTRYPOINT ["/bin/echo","entry"]', 'CMD ["image"]', "WORKDIR /tmp"]);
  runtime = await openRuntime(engine, node);
});
after(async () => {
  await using _engine = engine;
  await runtime?.[Symbol.asyncDispose]();
});

function sandboxOf(change: Partial<SandboxSpec> = {}): SandboxSpec {
  return {
    owner: { cluster: "cluster", node, namespace: "default", name: "pod", uid: randomUUID() },
    ...{ revision: "1", hostname: "pod-name", hostNetwork: false, hostPID: false, hostIPC: false },
    ...{ shareProcessNamespace: false, sysctls: {}, hostPorts: [], volumes: [], notes: {} },
    ...change,
  };
}

function containerOf(podUid: string, change: Partial<ContainerSpec> = {}): ContainerSpec {
  return {
    ...{ podUid, name: "main", attempt: 0, image: benchImage, env: [], mounts: [], tty: false, stdin: false },
    ...{ stdinOnce: false, terminationMessagePath: "/dev/termination-log", security: {}, resources: {}, notes: {} },
    ...change,
  };
}

const sh = (script: string): Partial<ContainerSpec> => ({ command: ["/bin/sh", "-c", script] });

async function sandbox(change: Partial<SandboxSpec> = {}): Promise<string> {
  const spec = sandboxOf(change);
  await runtime.createSandbox(spec, context);
  return spec.owner.uid;
}

async function found({ podUid, name, attempt }: ContainerSpec): Promise<RuntimeContainer> {
  const pod = await runtime.get(podUid, context);
  return (
    pod?.containers.find((each) => each.name === name && each.attempt === attempt) ?? assert.fail(`no run of ${name}`)
  );
}

async function started(spec: ContainerSpec): Promise<ContainerSpec> {
  await runtime.createContainer(spec, context);
  await runtime.startContainer(spec, context);
  return spec;
}

/** What it wrote until its end, without the line end. */
async function output(spec: ContainerSpec): Promise<string> {
  await started(spec);
  await eventually("the end of a run", 20_000, async () => (await found(spec)).state === "exited");
  const lines = (await text((await runtime.logs(spec, {}, context)).data)).split("\n");
  return lines
    .map((line) => line.split(" ").slice(3).join(" "))
    .join("\n")
    .trimEnd();
}

async function outputIn(pod: Partial<SandboxSpec>, change: Partial<ContainerSpec>): Promise<string> {
  return output(containerOf(await sandbox(pod), change));
}

async function refusal(call: Promise<void>): Promise<VirtualKubeletError> {
  return VirtualKubeletError.from(
    await call.then(
      () => assert.fail("it was taken"),
      (error: unknown) => error,
    ),
  );
}

describe("a run", { timeout: 900_000 }, () => {
  const idle = (script = ""): Partial<ContainerSpec> => sh(`${script} trap 'exit 0' TERM; while :; do sleep 0.1; done`);

  it("has the words of pod and image as Kubernetes puts them together", async () => {
    const pod = await sandbox();
    const cases: readonly (readonly [Partial<ContainerSpec>, string])[] = [
      [{}, "entry image"],
      [{ args: ["own"] }, "entry own"],
      [{ command: ["/bin/echo", "other"] }, "other"],
      [{ command: ["/bin/echo", "other"], args: ["own"] }, "other own"],
      [{ command: ["/bin/pwd"] }, "/tmp"],
      [{ command: ["/bin/pwd"], workingDir: "/etc" }, "/etc"],
      [{ command: ["/bin/sh", "-c", "echo $A-$PATH"], env: [{ name: "A", value: "x=y z" }] }, "x=y z-/bin"],
    ];
    for (const [index, [change, expected]] of cases.entries())
      assert.equal(await output(containerOf(pod, { ...change, image: wordsImage, name: `c${index}` })), expected);
  });

  it("has the pod's names, network, and what the pod shares", async () => {
    const pod = await sandbox({ sysctls: { "net.ipv4.ip_unprivileged_port_start": "81" } });
    const { ips } = (await runtime.get(pod, context)) ?? assert.fail("no pod");
    const first = await started(containerOf(pod, { ...idle("hostname >/dev/shm/name;"), name: "first" }));
    const script =
      "until [ -s /dev/shm/name ]; do sleep 0.1; done; cat /dev/shm/name; hostname; cat /proc/sys/net/ipv4/ip_unprivileged_port_start; ip -4 -o addr show eth0; ls /proc | grep -c '^[0-9]'";
    const told = (await output(containerOf(pod, { ...sh(script), name: "second" }))).split("\n");
    assert.deepEqual(told.slice(0, 3), ["pod-name", "pod-name", "81"]);
    assert.ok(told[3]?.includes(` ${ips[0]}/`), told[3]);
    assert.ok(Number(told[4]) <= 5, "it sees its own processes alone");
    // An ephemeral one sees those of its target.
    const beside = containerOf(pod, { ...sh("cat /proc/1/cmdline"), name: "beside", targetContainer: "first" });
    assert.match(await output(beside), /trap/);
    await runtime.stopContainer(first, { gracePeriodSeconds: 5 }, context);
    await runtime.removeContainer(first, context);
    await runtime.removeSandbox(pod, context);
  });

  it("sees all processes of the pod where they are shared, and those of the host where that is asked for", async () => {
    assert.match(await outputIn({ shareProcessNamespace: true }, sh("cat /proc/1/cmdline")), /^\/pause/);
    const same = "for n in pid net ipc uts; do readlink /proc/self/ns/$n; done";
    const host = { hostNetwork: true, hostPID: true, hostIPC: true };
    const expected = await import("node:fs").then(({ readlinkSync }) =>
      ["pid", "net", "ipc", "uts"].map((name) => readlinkSync(`/proc/self/ns/${name}`)),
    );
    const pod = await sandbox(host);
    assert.deepEqual((await output(containerOf(pod, sh(same)))).split("\n"), expected);
    assert.deepEqual((await runtime.get(pod, context))?.ips, ["192.0.2.1"]);
  });

  it("runs as the user and in the groups that it is told", async () => {
    const pod = await sandbox({ fsGroup: 7000 });
    const cases: readonly (readonly [string, ContainerSpec["security"], string])[] = [
      [benchImage, {}, "0 0 7000"],
      [benchImage, { runAsUser: 4000 }, "4000 0 7000"],
      [benchImage, { runAsUser: 4000, runAsGroup: 5000, supplementalGroups: [6000] }, "4000 5000 6000 7000"],
      [userImage, {}, "1234 0 7000"],
      [userImage, { runAsGroup: 5000 }, "1234 5000 7000"],
      [namedImage, {}, "65534 65534 7000"],
      [namedImage, { supplementalGroupsPolicy: "Strict", supplementalGroups: [6000] }, "65534 65534 6000 7000"],
    ];
    for (const [index, [image, security, expected]] of cases.entries()) {
      const spec = containerOf(pod, { ...sh("echo $(id -u) $(id -G)"), image, security, name: `c${index}` });
      assert.equal(await output(spec), expected, `${index}`);
      const { uid, supplementalGroups } = (await found(spec)).user ?? assert.fail("its user is not known");
      assert.equal([uid, ...supplementalGroups].join(" "), expected, `${index}, as it is told`);
    }
  });

  it("is not made where it would be root and must not be", async () => {
    const pod = await sandbox();
    const where = `(pod: "pod_default(${pod})", container: main)`;
    const cases: readonly (readonly [string, ContainerSpec["security"], string | undefined])[] = [
      [benchImage, {}, `container has runAsNonRoot and image will run as root ${where}`],
      [benchImage, { runAsUser: 0 }, `container's runAsUser breaks non-root policy ${where}`],
      [
        namedImage,
        {},
        `container has runAsNonRoot and image has non-numeric user (nobody), cannot verify user is non-root ${where}`,
      ],
      [userImage, {}, undefined],
    ];
    for (const [image, security, expected] of cases) {
      const spec = containerOf(pod, { ...sh("id -u"), image, security: { ...security, runAsNonRoot: true } });
      if (expected === undefined) assert.equal(await output(spec), "1234");
      else {
        const { kind, message } = await refusal(runtime.createContainer(spec, context));
        assert.deepEqual([kind, message], ["Invalid", expected]);
      }
    }
  });

  it("has the rights that it is given, and no others", async () => {
    const pod = await sandbox();
    const status = "grep -E '^(CapEff|NoNewPrivs|Seccomp):' /proc/self/status | sed 's/.*\\t//' | tr '\\n' ' '";
    const cases: readonly (readonly [ContainerSpec["security"], RegExp])[] = [
      [{}, /^00000000a80425fb 0 2/],
      [{ capabilities: { drop: ["ALL"] } }, /^0000000000000000 0 2/],
      [{ capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] } }, /^0000000000000400 0 2/],
      [{ capabilities: { add: ["CAP_NET_ADMIN"] } }, /^00000000a80435fb 0 2/],
      [{ allowPrivilegeEscalation: false }, /^00000000a80425fb 1 2/],
      [{ seccompProfile: { type: "Unconfined" } }, /^00000000a80425fb 0 0/],
      [{ seccompProfile: { type: "RuntimeDefault" } }, /^00000000a80425fb 0 2/],
      [{ privileged: true }, /^000001ff\w+ 0 0/],
      [{ runAsUser: 4000 }, /^0000000000000000 0 2/],
    ];
    for (const [index, [security, expected]] of cases.entries())
      assert.match(await output(containerOf(pod, { ...sh(status), security, name: `c${index}` })), expected);
    const masked = async (security: ContainerSpec["security"], name: string): Promise<string> =>
      output(containerOf(pod, { ...sh("grep -c ' /proc/' /proc/mounts"), security, name }));
    assert.ok(Number(await masked({}, "masked")) > 3);
    assert.equal(await masked({ procMount: "Unmasked" }, "unmasked"), "0");
    const security = { readOnlyRootFilesystem: true };
    const readOnly = containerOf(pod, {
      ...sh("touch /etc/x /tmp/x /run/x 2>&1; echo $?"),
      security,
      name: "read-only",
    });
    assert.match(await output(readOnly), /(.*Read-only file system\n){3}1$/);
  });

  it("that cannot begin ends with what was wrong, for good", async () => {
    const pod = await sandbox();
    const spec = containerOf(pod, { command: ["/no/such"] });
    await runtime.createContainer(spec, context);
    const { reason, message } = await refusal(runtime.startContainer(spec, context));
    assert.equal(reason, "RunContainerError");
    assert.match(message, /exec: "\/no\/such": stat \/no\/such: no such file or directory/);
    const end = await found(spec);
    assert.deepEqual([end.state, end.exitCode, end.reason, end.message], ["exited", 128, "StartError", message]);
    await runtime.startContainer(spec, context);
    assert.deepEqual(await found(spec), end);
    await runtime.removeContainer(spec, context);
    assert.deepEqual((await runtime.get(pod, context))?.containers, []);
    assert.ok(
      isErrorKind(
        await refusal(runtime.createContainer(containerOf(pod, { image: "localhost/no:1" }), context)),
        "NotFound",
      ),
    );
  });

  it("that somebody removed before it began can be made again", async () => {
    const pod = await sandbox();
    const spec = containerOf(pod, sh("exit 3"));
    await runtime.createContainer(spec, context);
    // The engine's own tool: its event comes later than the start.
    await engine.podman("rm", (await found(spec)).id);
    await assert.rejects(runtime.startContainer(spec, context), (error) => isErrorKind(error, "NotFound"));
    await started(spec);
    await eventually("it ends", 10_000, async () => (await found(spec)).state === "exited");
    assert.equal((await found(spec)).exitCode, 3);
    await runtime.removeSandbox(pod, context);
  });

  it("shows its end within a moment", async () => {
    const pod = await sandbox();
    const stop = new AbortController();
    const spec = containerOf(pod, sh("sleep 1"));
    const events = (async (): Promise<number> => {
      for await (const uid of runtime.events({ ...context, signal: stop.signal }))
        if (uid === pod && (await runtime.get(pod, context))?.containers[0]?.state === "exited") return Date.now();
      return assert.fail("nothing was told");
    })();
    await started(spec);
    const told = await events;
    stop.abort();
    const { finishedAt = 0 } = await found(spec);
    // The next comparison of all, which would show it too, comes every half minute.
    assert.ok(told - finishedAt < 10_000, `told after ${told - finishedAt} ms`);
  });

  it("is reached at ports of the host, by TCP and UDP", async () => {
    const port = await freePort();
    const hostPorts = [
      { hostIP: "127.0.0.1", hostPort: port, containerPort: 80, protocol: "TCP" },
      { hostPort: port, containerPort: 81, protocol: "UDP" },
    ];
    const pod = await sandbox({ hostPorts });
    const [ip] = (await runtime.get(pod, context))?.ips ?? [];
    await started(containerOf(pod, sh("while :; do echo yes | nc -l -p 80; done")));
    const { createConnection } = await import("node:net");
    for (const [host, number] of [
      [ip, 80],
      ["127.0.0.1", port],
    ] as const)
      await eventually(`an answer at ${host}`, 5000, async () => {
        const socket = createConnection({ host: host ?? "", port: number });
        socket.setTimeout(10_000, () => socket.destroy());
        return (await text(socket).catch(() => "")) === "yes\n";
      });
  });
});
