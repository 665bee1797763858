// What a container may do: capabilities, privileges, profiles, what it sees of /proc; of its security context. Pure.
import { join, normalize } from "node:path";
import { type ContainerSpec, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { ContainersConfig } from "./config.ts";
import type { ContainerCreate, EngineInfo } from "./engine/engine-client.ts";

type Security = ContainerSpec["security"];
type HostConfig = ContainerCreate["HostConfig"];

/** Undefined: the engine's own; "unconfined"; or the path of a file of the engine's host. */
export type SeccompProfile = undefined | "unconfined" | { readonly path: string };

export function seccompProfile(
  security: Security,
  config: Pick<ContainersConfig, "seccompDefault" | "stateDirectory">,
): SeccompProfile {
  if (security.privileged === true) return "unconfined";
  const { type, localhostProfile = "" } = security.seccompProfile ?? {};
  if (type === "RuntimeDefault") return undefined;
  if (type === "Unconfined") return "unconfined";
  if (type !== "Localhost") return config.seccompDefault ? undefined : "unconfined";
  const clean = normalize(localhostProfile);
  if (localhostProfile === "" || clean.startsWith("/") || clean.split("/").includes(".."))
    throw new VirtualKubeletError("Invalid", "localhostProfile must be a path below the directory of profiles", {
      field: "securityContext.seccompProfile.localhostProfile",
    });
  return { path: join(config.stateDirectory, "seccomp", clean) };
}

/** Ephemeral containers come when their pod was let in long ago: what the node forbids is looked at for each. Throws Unsupported. */
export function checkPrivileges(
  { privileged, procMount }: Security,
  { allowPrivileged }: Pick<ContainersConfig, "allowPrivileged">,
): void {
  if (allowPrivileged) return;
  const refused = (field: string, what: string): VirtualKubeletError =>
    new VirtualKubeletError("Unsupported", `${what} not allowed by this node's configuration`, {
      field: `securityContext.${field}`,
    });
  if (privileged === true) throw refused("privileged", "privileged containers are");
  // Without user namespaces, who may write all of /proc has the host.
  if (procMount === "Unmasked") throw refused("procMount", "procMount Unmasked is");
}

/** `seccomp`: as the engine takes it in its option; undefined: its own. */
export function securityOptions(
  security: Security,
  seccomp: string | undefined,
  { flavour, securityOptions: has }: Pick<EngineInfo, "flavour" | "securityOptions">,
): Pick<
  HostConfig,
  "Privileged" | "ReadonlyRootfs" | "CapAdd" | "CapDrop" | "SecurityOpt" | "MaskedPaths" | "ReadonlyPaths"
> {
  const unmasked = security.procMount === "Unmasked";
  const add = capabilities(security.capabilities?.add);
  const drop = capabilities(security.capabilities?.drop);
  const { type: appArmor, localhostProfile = "" } = security.appArmorProfile ?? {};
  const hasAppArmor = has.some((option) => option.includes("apparmor"));
  const { user, role, type, level } = security.seLinuxOptions ?? {};
  const hasSELinux = has.some((option) => option.includes("selinux"));
  const options = [
    ...(security.allowPrivilegeEscalation === false ? ["no-new-privileges"] : []),
    ...(seccomp === undefined ? [] : [`seccomp=${seccomp}`]),
    ...(hasAppArmor && appArmor === "Unconfined" ? ["apparmor=unconfined"] : []),
    ...(hasAppArmor && appArmor === "Localhost" ? [`apparmor=${localhostProfile}`] : []),
    ...(hasSELinux
      ? Object.entries({ user, role, type, level }).flatMap(([key, value]) =>
          value === undefined || value === "" ? [] : [`label=${key}:${value}`],
        )
      : []),
    ...(unmasked && flavour === "podman" ? ["unmask=ALL"] : []),
  ];
  return {
    ...(security.privileged === true && { Privileged: true }),
    ...(security.readOnlyRootFilesystem === true && { ReadonlyRootfs: true }),
    ...(add.length > 0 && { CapAdd: add }),
    ...(drop.length > 0 && { CapDrop: drop }),
    ...(options.length > 0 && { SecurityOpt: options }),
    ...(unmasked && { MaskedPaths: [], ReadonlyPaths: [] }),
  };
}

function capabilities(names: readonly string[] | undefined): readonly string[] {
  return (names ?? []).map((name) => name.toUpperCase()).map((name) => name.replace(/^CAP_/, ""));
}
