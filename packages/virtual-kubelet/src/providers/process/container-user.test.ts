// As whom containers may run, and which pods cannot be had at all: tables.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ContainerSpec, SandboxSpec } from "../../engine/container-runtime.ts";
import { VirtualKubeletError } from "../../errors.ts";
import { parseProcessConfig } from "./config.ts";
import { containerUser, type UserRules } from "./container-user.ts";
import { checkSandbox } from "./sandbox-check.ts";

const faultOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof VirtualKubeletError) return `${error.kind} ${error.field ?? error.message}`;
    throw error;
  }
  return "none";
};

describe("users", () => {
  const rules: UserRules = {
    ...{
      root: true,
      own: { uid: 0, gid: 0 },
      fallback: { uid: 65534, gid: 65533 },
      allowRoot: false,
      allowPrivileged: false,
    },
  };
  const user = (security: ContainerSpec["security"], change: Partial<UserRules> = {}, fsGroup?: number) =>
    containerUser({ security }, fsGroup, { ...rules, ...change }, (uid) => (uid === 1000 ? 100 : undefined));

  it("are nobody by default, or who the pod says, with the group of their own", () => {
    assert.deepEqual(user({}).user, { uid: 65534, gid: 65533, groups: [] });
    assert.deepEqual(user({ runAsUser: 1000, supplementalGroups: [7, 8] }, {}, 9).user, {
      uid: 1000,
      gid: 100,
      groups: [7, 8, 9],
    });
    assert.deepEqual(user({ runAsUser: 1000, runAsGroup: 5 }).user, { uid: 1000, gid: 5, groups: [] });
  });

  it("cannot get more by a program, unless root is allowed; have the capabilities asked for", () => {
    assert.equal(user({}).noNewPrivileges, true);
    assert.equal(user({}, { allowRoot: true }).noNewPrivileges, false);
    assert.equal(user({ allowPrivilegeEscalation: false }, { allowRoot: true }).noNewPrivileges, true);
    assert.deepEqual(user({ capabilities: { drop: ["ALL"], add: ["NET_BIND_SERVICE"] } }).capabilities, [
      "net_bind_service",
    ]);
    assert.equal(user({}).capabilities?.includes("sys_admin"), false);
    assert.equal(user({ privileged: true }, { allowPrivileged: true, allowRoot: true }).capabilities, undefined);
  });

  const own = { root: false, own: { uid: 1000, gid: 100 } };
  for (const [what, fault, security, change, fsGroup] of [
    ["root", "Unsupported securityContext.runAsUser", { runAsUser: 0 }],
    ["root's group", "Unsupported securityContext.runAsGroup", { runAsUser: 5, runAsGroup: 0 }],
    ["root's group among others", "Unsupported securityContext.supplementalGroups", { supplementalGroups: [0] }],
    [
      "root where it must not be",
      "Invalid securityContext.runAsNonRoot",
      { runAsUser: 0, runAsNonRoot: true },
      { allowRoot: true },
    ],
    ["root where it may", "none", { runAsUser: 0 }, { allowRoot: true }],
    ["privileged", "Unsupported securityContext.privileged", { privileged: true }],
    ["net_admin", "Unsupported securityContext.capabilities.add", { capabilities: { add: ["NET_ADMIN"] } }],
    ["net_admin where powers may be had", "none", { capabilities: { add: ["NET_ADMIN"] } }, { allowPrivileged: true }],
    ["sys_ptrace for a user who is not root", "none", { capabilities: { add: ["SYS_PTRACE"] } }],
    [
      "sys_ptrace for root",
      "Unsupported securityContext.capabilities.add",
      { runAsUser: 0, capabilities: { add: ["SYS_PTRACE"] } },
      { allowRoot: true },
    ],
    [
      "sys_ptrace for one who can become root",
      "Unsupported securityContext.capabilities.add",
      { capabilities: { add: ["SYS_PTRACE"] } },
      { allowRoot: true },
    ],
    ["sys_ptrace, not as root", "none", { capabilities: { add: ["SYS_PTRACE"] } }, own],
    ["sys_admin", "Unsupported securityContext.capabilities.add", { capabilities: { add: ["SYS_ADMIN"] } }],
    [
      "a seccomp file",
      "Unsupported securityContext.seccompProfile",
      { seccompProfile: { type: "Localhost", localhostProfile: "x" } },
    ],
    ["the runtime's seccomp", "none", { seccompProfile: { type: "RuntimeDefault" } }],
    ["SELinux", "Unsupported securityContext.seLinuxOptions", { seLinuxOptions: { level: "s0" } }],
    ["another user, not as root", "Unsupported securityContext.runAsUser", { runAsUser: 5 }, own],
    ["our user, not as root", "none", { runAsUser: 1000, runAsGroup: 100 }, own],
    [
      "a capability, not as root",
      "Unsupported securityContext.capabilities.add",
      { capabilities: { add: ["CHOWN"] } },
      own,
    ],
    ["a group of files, not as root", "Unsupported securityContext.fsGroup", {}, own, 7],
  ] as const satisfies readonly (readonly [string, string, ContainerSpec["security"], Partial<UserRules>?, number?])[])
    it(`${what}: ${fault}`, () =>
      assert.equal(
        faultOf(() => user(security, change, fsGroup)),
        fault,
      ));
});

describe("sandboxes", () => {
  const spec: SandboxSpec = {
    owner: { cluster: "c", node: "n", namespace: "ns", name: "p", uid: "u" },
    ...{
      revision: "1",
      hostname: "p",
      hostNetwork: false,
      hostPID: false,
      hostIPC: false,
      shareProcessNamespace: false,
    },
    ...{ sysctls: {}, hostPorts: [], volumes: [], notes: {} },
  };
  const config = parseProcessConfig({ stateDirectory: "/x" });
  const port = { hostPort: 80, containerPort: 80, protocol: "TCP" };
  for (const [what, fault, change] of [
    ["plain", "none", {}],
    ["shared processes", "Unsupported spec.shareProcessNamespace", { shareProcessNamespace: true }],
    ["a port as it is", "none", { hostPorts: [port] }],
    [
      "a port that is another",
      "Unsupported spec.containers.ports.hostPort",
      { hostPorts: [{ ...port, containerPort: 8080 }] },
    ],
    [
      "a port at one address",
      "Unsupported spec.containers.ports.hostIP",
      { hostPorts: [{ ...port, hostIP: "127.0.0.1" }] },
    ],
    ["a sysctl of its own", "none", { sysctls: { "kernel.shmmax": "1" } }],
    ["a sysctl of the network", "Unsupported spec.securityContext.sysctls", { sysctls: { "net.core.somaxconn": "1" } }],
  ] as const satisfies readonly (readonly [string, string, Partial<SandboxSpec>])[])
    it(`${what}: ${fault}`, () =>
      assert.equal(
        faultOf(() => checkSandbox({ ...spec, ...change }, config, true)),
        fault,
      ));
});
