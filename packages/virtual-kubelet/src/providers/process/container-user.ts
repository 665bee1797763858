// As whom a container runs, and what it is refused: its security context against what the configuration allows. Pure.

import type { ContainerSpec } from "../../engine/container-runtime.ts";
import { VirtualKubeletError } from "../../errors.ts";
import type { EnterPlan } from "./run-scripts.ts";

export interface UserRules {
  /** Are we root? Else nobody can become anybody else. */
  readonly root: boolean;
  /** Of ourselves. */
  readonly own: { readonly uid: number; readonly gid: number };
  /** For containers that name none. */
  readonly fallback: { readonly uid: number; readonly gid: number };
  readonly allowRoot: boolean;
  readonly allowPrivileged: boolean;
}

/** What root may do in a container unless more or less is asked for. */
const usual = [
  ...["chown", "dac_override", "fowner", "fsetid", "kill", "setgid", "setuid", "setpcap"],
  ...["net_bind_service", "audit_write", "setfcap"],
];
/** For everybody. */
const grantable: ReadonlySet<string> = new Set([...usual, "ipc_lock"]);
/** On a host that is shared: where privileged containers are allowed, too. */
const powerful: ReadonlySet<string> = new Set(["net_raw", "net_admin", "sys_nice", "sys_ptrace", "sys_resource"]);

/**
 * `kubectl debug` asks for it. Who is not root, and cannot become so, traces the processes of its own user without it, and
 * would get nothing more by it.
 */
const needless = "sys_ptrace";

export type ContainerUser = Pick<EnterPlan, "user" | "noNewPrivileges" | "capabilities"> & {
  readonly uid: number;
  readonly privileged: boolean;
};

/** Throws Unsupported or Invalid with the field named. `gidOf` looks up a user's own group. */
export function containerUser(
  spec: Pick<ContainerSpec, "security">,
  fsGroup: number | undefined,
  rules: UserRules,
  gidOf: (uid: number) => number | undefined,
): ContainerUser {
  const { security } = spec;
  const privileged = security.privileged === true;
  if (privileged && !rules.allowPrivileged)
    throw refused("privileged", "privileged containers are not allowed by this node's configuration");
  refuseProfiles(security);
  if (!rules.root) return unprivileged(security, fsGroup, rules);
  const uid = security.runAsUser ?? (privileged && rules.allowRoot ? 0 : rules.fallback.uid);
  if (uid === 0 && security.runAsNonRoot === true)
    throw new VirtualKubeletError("Invalid", "container has runAsNonRoot and image will run as root", {
      field: "securityContext.runAsNonRoot",
    });
  if (uid === 0 && !rules.allowRoot)
    throw refused(
      "runAsUser",
      "containers run as processes of the host, and this node's configuration does not allow root",
    );
  const gid = security.runAsGroup ?? gidOf(uid) ?? rules.fallback.gid;
  if (gid === 0 && !rules.allowRoot)
    throw refused("runAsGroup", "this node's configuration does not allow the group of root");
  const groups = [...new Set([...(security.supplementalGroups ?? []), ...(fsGroup === undefined ? [] : [fsGroup])])];
  if (groups.includes(0) && !rules.allowRoot)
    throw refused("supplementalGroups", "this node's configuration does not allow the group of root");
  const noNewPrivileges = security.allowPrivilegeEscalation === false || !(rules.allowRoot || privileged);
  const powerless = uid !== 0 && noNewPrivileges;
  return {
    ...{ uid, privileged, user: { uid, gid, groups }, noNewPrivileges },
    capabilities: privileged ? undefined : capabilitiesOf(security, rules.allowPrivileged, powerless),
  };
}

function unprivileged(
  security: ContainerSpec["security"],
  fsGroup: number | undefined,
  { own }: UserRules,
): ContainerUser {
  const { uid, gid } = own;
  const why = "this node does not run as root, so its containers run as its own user";
  if (security.runAsUser !== undefined && security.runAsUser !== uid) throw refused("runAsUser", why);
  if (security.runAsGroup !== undefined && security.runAsGroup !== gid) throw refused("runAsGroup", why);
  if (security.supplementalGroups?.some((group) => group !== gid) === true) throw refused("supplementalGroups", why);
  if (fsGroup !== undefined && fsGroup !== gid) throw refused("fsGroup", why);
  if (names(security.capabilities?.add).some((name) => name !== needless)) throw refused("capabilities.add", why);
  // It has none; with this it never gets any, either.
  return { uid, privileged: false, user: undefined, noNewPrivileges: true, capabilities: undefined };
}

function capabilitiesOf(
  { capabilities }: ContainerSpec["security"],
  all: boolean,
  powerless: boolean,
): readonly string[] {
  const add = names(capabilities?.add).filter((name) => !(powerless && name === needless));
  const drop = names(capabilities?.drop);
  const unknown = add.filter((name) => name !== "all" && !grantable.has(name) && !(all && powerful.has(name)));
  if (unknown.length > 0 || add.includes("all"))
    throw refused(
      "capabilities.add",
      `not to be had here: ${[...(add.includes("all") ? ["ALL"] : []), ...unknown].join(", ")}`,
    );
  const kept = drop.includes("all") ? [] : usual.filter((name) => !drop.includes(name));
  return [...new Set([...kept, ...add])];
}

function names(list: readonly string[] | undefined): readonly string[] {
  return (list ?? []).map((name) => name.toLowerCase().replace(/^cap_/, ""));
}

/** What cannot be done must not be left out in silence. RuntimeDefault is the profile of the runtime: here, none. */
function refuseProfiles(security: ContainerSpec["security"]): void {
  if (security.seccompProfile?.type === "Localhost")
    throw refused("seccompProfile", "there are no seccomp filters here");
  if (security.appArmorProfile?.type === "Localhost")
    throw refused("appArmorProfile", "there are no AppArmor profiles here");
  if (security.seLinuxOptions !== undefined && Object.keys(security.seLinuxOptions).length > 0)
    throw refused("seLinuxOptions", "there are no SELinux labels here");
}

function refused(field: string, why: string): VirtualKubeletError {
  return new VirtualKubeletError("Unsupported", `securityContext.${field}: ${why}`, {
    field: `securityContext.${field}`,
  });
}
