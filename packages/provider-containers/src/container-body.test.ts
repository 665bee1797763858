// What an engine is asked for, for containers and for the place of their pod.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type ContainerSpec, isErrorKind, type SandboxSpec } from "@virtual-kubelet/virtual-kubelet";
import { type ContainerBodyFacts, containerBody } from "./container-body.ts";
import { checkPrivileges, seccompProfile, securityOptions } from "./container-security.ts";
import { containerUser, rootFault } from "./container-user.ts";
import { libpodCreate } from "./engine/libpod-create.ts";
import { containerName, infraName, isNamedSo, readLabels } from "./labels.ts";
import { sandboxBody, sysctlFault } from "./sandbox-body.ts";

const owner = { cluster: "c", node: "n", namespace: "default", name: "pod", uid: "uid" };
const container = (change: Partial<ContainerSpec> = {}): ContainerSpec => ({
  ...{ podUid: "uid", name: "main", attempt: 2, image: "image:1", env: [], mounts: [], tty: false, stdin: false },
  ...{ stdinOnce: false, terminationMessagePath: "/dev/termination-log", security: {}, resources: {} },
  notes: { a: "1" },
  ...change,
});
const sandbox = (change: Partial<SandboxSpec> = {}): SandboxSpec => ({
  ...{ owner, revision: "7", hostname: "host", hostNetwork: false, hostPID: false, hostIPC: false },
  ...{ shareProcessNamespace: false, sysctls: {}, hostPorts: [], volumes: [], notes: { b: "2" } },
  ...change,
});
const facts = (change: Partial<ContainerBodyFacts> = {}): ContainerBodyFacts => ({
  ...{ owner, sandbox: sandbox(), infra: "infra", engine: { flavour: "podman", securityOptions: [] } },
  config: { runtime: "", runtimeHandlers: {}, ulimits: {}, logs: { maxSize: 1000 } },
  ...{
    mounts: [],
    cgroupParent: undefined,
    limits: {},
    user: { User: "0:0" },
    seccomp: undefined,
    targetPidMode: undefined,
  },
  ...change,
});

describe("namespaces of a container", () => {
  const modes = (change: Partial<ContainerBodyFacts>): readonly unknown[] => {
    const { NetworkMode, IpcMode, PidMode, UTSMode } = containerBody(container(), facts(change)).HostConfig;
    return [NetworkMode, IpcMode, PidMode, UTSMode];
  };
  const infra = "container:infra";
  const docker = { flavour: "docker", securityOptions: [] } as const;
  const cases: readonly (readonly [string, Partial<ContainerBodyFacts>, readonly unknown[]])[] = [
    ["its pod's", {}, [infra, infra, undefined, infra]],
    ["its pod's in Docker, which names it itself", { engine: docker }, [infra, infra, undefined, undefined]],
    ["shared processes", { sandbox: sandbox({ shareProcessNamespace: true }) }, [infra, infra, infra, infra]],
    ["the host's network", { sandbox: sandbox({ hostNetwork: true }) }, ["host", infra, undefined, "host"]],
    ["the host's processes", { sandbox: sandbox({ hostPID: true, hostIPC: true }) }, [infra, "host", "host", infra]],
    ["those of a target", { targetPidMode: "ns:/x" }, [infra, infra, "ns:/x", infra]],
  ];
  for (const [what, change, expected] of cases) test(what, () => assert.deepEqual(modes(change), expected));
});

test("command, arguments and environment are what Kubernetes makes of them", () => {
  const words = (change: Partial<ContainerSpec>): readonly unknown[] => {
    const { Entrypoint, Cmd, Env } = containerBody(container(change), facts());
    return [Entrypoint, Cmd, Env];
  };
  assert.deepEqual(words({}), [undefined, undefined, undefined]);
  assert.deepEqual(words({ command: ["a"] }), [["a"], undefined, undefined]);
  assert.deepEqual(words({ args: ["b"] }), [undefined, ["b"], undefined]);
  assert.deepEqual(words({ command: [], args: [] }), [undefined, undefined, undefined]);
  assert.deepEqual(words({ env: [{ name: "A", value: "x=y" }] }), [undefined, undefined, ["A=x=y"]]);
});

test("what is written on a container is found again", () => {
  assert.deepEqual(readLabels(containerBody(container(), facts()).Labels), {
    ...{ owner, notes: { a: "1" }, revision: "", run: { podUid: "uid", name: "main", attempt: 2 }, user: undefined },
  });
  const user = { uid: 1, gid: 2, supplementalGroups: [2, 3] };
  const known = containerBody(container(), facts({ user: { User: "1:2", effective: user } }));
  assert.deepEqual(readLabels(known.Labels)?.user, user);
  const engine = { flavour: "podman" } as const;
  const config = { network: "", runtime: "", runtimeHandlers: {}, ulimits: {} };
  const body = sandboxBody(sandbox(), { config, engine, image: "pause", cgroupParent: undefined, limits: {} });
  assert.deepEqual(readLabels(body.Labels), {
    owner,
    notes: { b: "2" },
    revision: "7",
    run: undefined,
    user: undefined,
  });
  assert.equal(readLabels({ some: "label" }), undefined);
  assert.equal(infraName(owner), "vk_pod_default_uid_POD");
  assert.equal(containerName(owner, { name: "main", attempt: 2 }), "vk_pod_default_uid_main_2");
  const run = { podUid: "uid", name: "main", attempt: 2 };
  assert.ok(isNamedSo({ owner, run }, "vk_pod_default_uid_main_2") && isNamedSo({ owner }, "vk_pod_default_uid_POD"));
  assert.ok(!isNamedSo({ owner, run }, "vk_pod_default_uid_POD") && !isNamedSo({ owner }, "angry_bell"));
});

test("ports of the host are those of the infra container", () => {
  const hostPorts = [
    { hostIP: "127.0.0.1", hostPort: 1, containerPort: 80, protocol: "TCP" },
    { hostPort: 2, containerPort: 80, protocol: "TCP" },
    { hostPort: 3, containerPort: 80, protocol: "UDP" },
  ];
  const config = { network: "pods", runtime: "", runtimeHandlers: {}, ulimits: {} };
  const rest = { config, engine: { flavour: "podman" }, image: "pause", cgroupParent: "/p", limits: {} } as const;
  const { HostConfig: host } = sandboxBody(sandbox({ hostPorts }), rest);
  assert.deepEqual(host.PortBindings, {
    "80/tcp": [
      { HostIp: "127.0.0.1", HostPort: "1" },
      { HostIp: "", HostPort: "2" },
    ],
    "80/udp": [{ HostIp: "", HostPort: "3" }],
  });
  assert.deepEqual([host.NetworkMode, host.CgroupParent], ["pods", "/p"]);
  assert.equal(sandboxBody(sandbox({ hostPorts, hostNetwork: true }), rest).HostConfig.PortBindings, undefined);
});

test("the OCI runtime of a RuntimeClass is the one that is configured for its handler", () => {
  const config = { network: "", runtime: "runc", runtimeHandlers: { safe: "runsc" }, ulimits: {} };
  const engine = { flavour: "podman" } as const;
  const rest = { config, engine, image: "pause", cgroupParent: undefined, limits: {} };
  assert.equal(sandboxBody(sandbox(), rest).HostConfig.Runtime, "runc");
  assert.equal(sandboxBody(sandbox({ runtimeHandler: "safe" }), rest).HostConfig.Runtime, "runsc");
  for (const runtimeHandler of ["other", "constructor"])
    assert.throws(() => sandboxBody(sandbox({ runtimeHandler }), rest), /no runtime for "\w+" is configured/);
});

describe("sysctls", () => {
  const cases: readonly (readonly [string, readonly string[], boolean])[] = [
    ["kernel.shm_rmid_forced", [], true],
    ["net/ipv4/tcp_syncookies", [], true],
    ["kernel.msgmax", [], false],
    ["kernel.msgmax", ["kernel.msg*"], true],
    ["kernel/msgmax", ["kernel.msgmax"], true],
    ["kernel.sem", ["kernel.msg*"], false],
  ];
  for (const [name, allowed, fits] of cases)
    test(`${name}, allowed ${allowed.join()}`, () =>
      assert.equal(sysctlFault([name], allowed, {}) === undefined, fits));
  test("say why not as kubelets do", () => {
    const fault = sysctlFault(["kernel.msgmax"], [], {});
    assert.deepEqual(
      [fault?.kind, fault?.reason, fault?.message],
      ["Unsupported", "SysctlForbidden", 'forbidden sysctl: "kernel.msgmax" not allowlisted'],
    );
  });
  test("are never the host's", () => {
    const host = { hostNetwork: true, hostIPC: true };
    const said = (name: string): string | undefined => sysctlFault([name], ["*"], host)?.message;
    const net = "net/ipv4/ip_unprivileged_port_start";
    assert.equal(said(net), `forbidden sysctl: "${net}" not allowed with host net enabled`);
    for (const name of ["kernel.shm_rmid_forced", "kernel.sem", "fs.mqueue.msg_max"])
      assert.equal(said(name), `forbidden sysctl: "${name}" not allowed with host IPC enabled`);
    assert.equal(said("vm.swappiness"), undefined);
  });
});

describe("users and groups", () => {
  const accounts = {
    passwd: "root:x:0:0::/:/bin/sh\nbob:x:1000:1001::/:/bin/sh\n",
    group: "extra:x:50000:alice,bob\nother:x:60000:alice\n",
  };
  type Security = ContainerSpec["security"];
  const cases: readonly (readonly [Security, number | undefined, string, unknown])[] = [
    [{}, undefined, "", ["0:0", undefined, [0, 0, 0]]],
    [{}, 7000, "bob", ["bob:1001", ["50000", "7000"], [1000, 1001, 1001, 50_000, 7000]]],
    [
      { runAsUser: 1000, supplementalGroups: [1, 2, 1] },
      2,
      "",
      ["1000:1001", ["50000", "1", "2"], [1000, 1001, 1001, 50_000, 1, 2]],
    ],
    [{ runAsUser: 1000, runAsGroup: 3 }, undefined, "", ["1000:3", ["50000"], [1000, 3, 3, 50_000]]],
    [{ runAsUser: 5, runAsGroup: 3 }, undefined, "bob", ["5:3", undefined, [5, 3, 3]]],
    [{ runAsGroup: 3 }, undefined, "bob", ["bob:3", ["50000"], [1000, 3, 3, 50_000]]],
    [{}, undefined, "bob:other", ["bob:other", ["50000"], [1000, 60_000, 60_000, 50_000]]],
    [{ runAsUser: 5 }, undefined, "bob:9", ["5:0", undefined, [5, 0, 0]]],
    [{ runAsUser: 1000, supplementalGroupsPolicy: "Strict" }, 7, "", ["1000:1001", ["7"], [1000, 1001, 1001, 7]]],
    [{}, undefined, "nobody-knows", ["nobody-knows:0", undefined, undefined]],
  ];
  for (const [security, fsGroup, imageUser, expected] of cases)
    test(`${JSON.stringify(security)}, fsGroup ${fsGroup}, image ${imageUser}`, () => {
      const { User, GroupAdd, effective } = containerUser({ security, fsGroup, imageUser }, accounts);
      const { uid, gid, supplementalGroups } = effective ?? {};
      assert.deepEqual([User, GroupAdd, effective && [uid, gid, ...(supplementalGroups ?? [])]], expected);
    });

  test("no number is somebody else", () => {
    const evil = { passwd: `${accounts.passwd}1000:x:0:0::/:/bin/sh\n`, group: `${accounts.group}3000:x:0:\n` };
    const user = (security: Security, of: typeof evil): unknown =>
      containerUser({ security, fsGroup: undefined, imageUser: "" }, of);
    const demands: readonly Security[] = [
      { runAsUser: 1000 },
      { runAsGroup: 3000 },
      { runAsUser: 7, supplementalGroups: [3000] },
    ];
    for (const demand of demands) {
      assert.throws(
        () => user(demand, evil),
        (error) =>
          isErrorKind(error, "Invalid") && /the image calls (user|group) 0 by the number \d000/.test(String(error)),
      );
      user(demand, { ...accounts, passwd: `${accounts.passwd}1000:x:1000:0::/:/bin/sh\n` });
    }
    user({ runAsUser: 7 }, evil);
  });

  const nonRoot: readonly (readonly [Security, string, RegExp | undefined])[] = [
    [{}, "", undefined],
    [{ runAsNonRoot: true }, "", /image will run as root/],
    [{ runAsNonRoot: true }, "0:5", /image will run as root/],
    [{ runAsNonRoot: true }, "7", undefined],
    [{ runAsNonRoot: true }, "bob", /non-numeric user \(bob\), cannot verify/],
    [{ runAsNonRoot: true, runAsUser: 0 }, "7", /container's runAsUser breaks non-root policy/],
    [{ runAsNonRoot: true, runAsUser: 7 }, "bob", undefined],
  ];
  for (const [security, imageUser, expected] of nonRoot)
    test(`${JSON.stringify(security)}, image "${imageUser}"`, () => {
      const fault = rootFault({ security, imageUser }, "main", owner);
      if (expected === undefined) assert.equal(fault, undefined);
      else assert.match(fault?.message ?? "", expected);
    });
});

describe("security", () => {
  const engine = { flavour: "podman", securityOptions: [] } as const;
  const options = (security: ContainerSpec["security"], seccomp?: string): unknown =>
    securityOptions(security, seccomp, engine);
  test("nothing is asked for where nothing is said", () => assert.deepEqual(options({}), {}));
  test("rights", () =>
    assert.deepEqual(options({ capabilities: { add: ["CAP_NET_ADMIN", "kill"], drop: ["ALL"] } }), {
      ...{ CapAdd: ["NET_ADMIN", "KILL"], CapDrop: ["ALL"] },
    }));
  test("privileges", () => {
    assert.deepEqual(options({ privileged: true }, "unconfined"), {
      ...{ Privileged: true, SecurityOpt: ["seccomp=unconfined"] },
    });
    assert.deepEqual(options({ allowPrivilegeEscalation: false, readOnlyRootFilesystem: true }), {
      ...{ ReadonlyRootfs: true, SecurityOpt: ["no-new-privileges"] },
    });
    assert.deepEqual(options({ allowPrivilegeEscalation: true }), {});
  });
  test("none that the node does not give", () => {
    const demands: readonly ContainerSpec["security"][] = [{ privileged: true }, { procMount: "Unmasked" }];
    for (const demand of demands) {
      assert.throws(
        () => checkPrivileges(demand, { allowPrivileged: false }),
        (error) => isErrorKind(error, "Unsupported") && /not allowed by this node's configuration/.test(String(error)),
      );
      checkPrivileges(demand, { allowPrivileged: true });
    }
    checkPrivileges({ privileged: false, procMount: "Default" }, { allowPrivileged: false });
  });
  const config = { seccompDefault: true, stateDirectory: "/state" };
  const profiles: readonly (readonly [ContainerSpec["security"], unknown])[] = [
    [{}, undefined],
    [{ privileged: true, seccompProfile: { type: "RuntimeDefault" } }, "unconfined"],
    [{ seccompProfile: { type: "Unconfined" } }, "unconfined"],
    [{ seccompProfile: { type: "Localhost", localhostProfile: "a/b.json" } }, { path: "/state/seccomp/a/b.json" }],
  ];
  for (const [security, expected] of profiles)
    test(`seccomp of ${JSON.stringify(security)}`, () => assert.deepEqual(seccompProfile(security, config), expected));
  test("seccomp where none is the default", () =>
    assert.equal(seccompProfile({}, { ...config, seccompDefault: false }), "unconfined"));
  test("no profile from outside", () =>
    assert.throws(() =>
      seccompProfile({ seccompProfile: { type: "Localhost", localhostProfile: "../../x" } }, config),
    ));
});

test("Podman is asked for the same in its own words", () => {
  const body = containerBody(
    container({ command: ["a"], env: [{ name: "TERM", value: "x=y" }], security: { readOnlyRootFilesystem: true } }),
    facts({
      mounts: [{ Type: "bind", Source: "/s", Target: "/t", ReadOnly: true, BindOptions: { Propagation: "rslave" } }],
      limits: { CpuShares: 2, PidsLimit: -1, OomScoreAdj: 5, Memory: 100, MemorySwap: 100 },
      config: { runtime: "", runtimeHandlers: {}, ulimits: { nofile: { soft: 1, hard: 2 } }, logs: { maxSize: 1000 } },
      targetPidMode: "ns:/proc/1/ns/pid",
    }),
  );
  const { labels: _, ...spec } = libpodCreate("name", body) ?? {};
  assert.deepEqual(spec, {
    ...{
      name: "name",
      image: "image:1",
      entrypoint: ["a"],
      user: "0:0",
      env: { TERM: "x=y" },
      unsetenv: ["container"],
    },
    ...{ healthconfig: { Test: ["NONE"] }, netns: { nsmode: "container", value: "infra" } },
    ...{ ipcns: { nsmode: "container", value: "infra" }, utsns: { nsmode: "container", value: "infra" } },
    ...{ pidns: { nsmode: "path", value: "/proc/1/ns/pid" }, read_only_filesystem: true, init: false },
    mounts: [{ type: "bind", source: "/s", destination: "/t", options: ["rbind", "ro", "rslave"] }],
    resource_limits: { cpu: { shares: 2 }, memory: { limit: 100, swap: 100 }, pids: { limit: -1 } },
    ...{ oom_score_adj: 5, r_limits: [{ type: "nofile", soft: 1, hard: 2 }], restart_policy: "no" },
    log_configuration: { driver: "k8s-file", size: 1000 },
    ...{ image_volume_mode: "anonymous", systemd: "false", passwd: false },
  });
  assert.equal(libpodCreate("name", { ...body, HostConfig: { ...body.HostConfig, Dns: ["x"] } }), undefined);
});
