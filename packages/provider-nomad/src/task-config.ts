// What a driver is told of a container: image and command, credentials, mounts, rights. What a driver has no setting for is refused
// with the field. Pure.
import {
  type Container,
  type ImageCredential,
  type PodSpec,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import type { PlainProcess } from "@virtual-kubelet/virtual-kubelet/cloud";
import { type Driver, runsImages } from "./drivers.ts";

export interface TaskConfigOptions {
  readonly driver: Driver;
  readonly container: Container;
  /** With the tag, where the spec leaves it out. */
  readonly image: string;
  readonly pullAlways: boolean;
  readonly process: Pick<PlainProcess, "command" | "args">;
  readonly binds: readonly string[];
  readonly hasAuth: boolean;
  readonly isHardLimit: boolean;
  readonly networkMode: string;
  /** Short; "": not known yet. */
  readonly hostname: string;
  readonly spec: PodSpec;
  readonly field: string;
}

export interface TaskConfig {
  readonly config: Readonly<Record<string, unknown>>;
  readonly user?: string | undefined;
}

/** Variables of the task that hold the credentials of its image's registry. */
export const authVariables = { username: "VK_REGISTRY_USERNAME", password: "VK_REGISTRY_PASSWORD" } as const;

export function credentialOf(image: string, credentials: readonly ImageCredential[]): ImageCredential | undefined {
  return credentials.find(({ registry }) => image === registry || image.startsWith(`${registry}/`));
}

const refused = (field: string, message: string): VirtualKubeletError =>
  new VirtualKubeletError("Unsupported", message, { field });

/** Throws Unsupported with the field. */
export function taskConfig(options: TaskConfigOptions): TaskConfig {
  const { driver } = options;
  const user = userOf(options);
  const config = runsImages(driver)
    ? imageConfig(options)
    : driver === "java"
      ? javaConfig(options)
      : plainConfig(options);
  return { config, ...(user === undefined ? {} : { user }) };
}

function imageConfig(options: TaskConfigOptions): Record<string, unknown> {
  const { driver, container, image, process, binds, spec, networkMode, field } = options;
  const { command, args } = process;
  const { privileged, readOnlyRootFilesystem, capabilities = {}, allowPrivilegeEscalation } = rights(options);
  const hosts = (spec.hostAliases ?? []).flatMap(({ ip, hostnames = [] }) => hostnames.map((name) => `${name}:${ip}`));
  const options_ = allowPrivilegeEscalation === false ? ["no-new-privileges"] : [];
  const sysctls = Object.fromEntries((spec.securityContext?.sysctls ?? []).map(({ name, value }) => [name, value]));
  if (driver === "podman" && hosts.length > 0 && networkMode !== "bridge")
    throw refused("spec.hostAliases", "the podman driver writes hosts files for the network bridge alone");
  return {
    image,
    ...(options.pullAlways ? { force_pull: true } : {}),
    ...(command === undefined ? {} : { entrypoint: command }),
    ...(args === undefined ? {} : { args }),
    ...(container.workingDir
      ? driver === "docker"
        ? { work_dir: container.workingDir }
        : { working_dir: container.workingDir }
      : {}),
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Nomad puts in the variables.
    ...(options.hasAuth && { auth: [{ username: "${VK_REGISTRY_USERNAME}", password: "${VK_REGISTRY_PASSWORD}" }] }),
    ...(binds.length > 0 && { volumes: binds }),
    // The drivers themselves would give it a network of the engine's.
    ...(networkMode === "host" && { network_mode: "host" }),
    // With docker it is the group's.
    ...(driver === "podman" && networkMode !== "host" && options.hostname !== "" && { hostname: options.hostname }),
    ...(hosts.length > 0 && { extra_hosts: hosts }),
    ...(privileged === true && { privileged }),
    ...(readOnlyRootFilesystem === true && { readonly_rootfs: true }),
    ...(capabilities.add?.length ? { cap_add: capabilities.add.map(capability) } : {}),
    ...(capabilities.drop?.length ? { cap_drop: capabilities.drop.map(capability) } : {}),
    ...(options_.length > 0 && { security_opt: options_ }),
    ...(Object.keys(sysctls).length > 0 && { sysctl: [sysctls] }),
    ...(container.tty === true && { tty: true }),
    ...(options.isHardLimit && driver === "docker" ? { cpu_hard_limit: true } : {}),
    ...groups(spec, driver, field),
  };
}

/** exec and raw_exec: a program of the host, by its path. */
function plainConfig(options: TaskConfigOptions): Record<string, unknown> {
  const { driver, container, process, field } = options;
  refuseImageSettings(options);
  const [command, ...words] = process.command ?? [];
  if (command === undefined)
    throw refused(`${field}.command`, `the driver ${driver} runs a program of the host: \`command\` names it`);
  const { capabilities = {} } = rights(options);
  const caps = [...(capabilities.add ?? []), ...(capabilities.drop ?? [])];
  if (driver === "raw_exec" && caps.length > 0)
    throw refused(
      `${field}.securityContext.capabilities`,
      "the driver raw_exec leaves a process all that its agent has",
    );
  return {
    command,
    args: [...words, ...(process.args ?? [])],
    ...(container.workingDir ? { work_dir: container.workingDir } : {}),
    ...(capabilities.add?.length ? { cap_add: capabilities.add.map(capability) } : {}),
    ...(capabilities.drop?.length ? { cap_drop: capabilities.drop.map(capability) } : {}),
  };
}

/** java: `image` is the path of a jar file, `command` the options of the virtual machine. */
function javaConfig(options: TaskConfigOptions): Record<string, unknown> {
  const { container, process, field } = options;
  refuseImageSettings(options);
  if (!container.image?.endsWith(".jar"))
    throw refused(`${field}.image`, "the driver java runs a jar file: `image` is its path, like local/app.jar");
  return {
    jar_path: container.image,
    ...(process.args === undefined ? {} : { args: process.args }),
    ...(process.command === undefined ? {} : { jvm_options: process.command }),
  };
}

function rights({
  container: { securityContext = {} },
  field,
}: TaskConfigOptions): NonNullable<Container["securityContext"]> {
  const { seLinuxOptions, procMount, seccompProfile, appArmorProfile, windowsOptions } = securityContext;
  const at = `${field}.securityContext`;
  if (seLinuxOptions !== undefined) throw refused(`${at}.seLinuxOptions`, "Nomad's drivers take no labels of SELinux");
  if (procMount !== undefined && procMount !== "Default") throw refused(`${at}.procMount`, "must be Default");
  if (seccompProfile !== undefined && seccompProfile.type !== "RuntimeDefault")
    throw refused(`${at}.seccompProfile`, "Nomad's drivers have the runtime's default profile alone");
  if (appArmorProfile !== undefined && appArmorProfile.type !== "RuntimeDefault")
    throw refused(`${at}.appArmorProfile`, "Nomad's drivers have the runtime's default profile alone");
  if (windowsOptions !== undefined) throw refused(`${at}.windowsOptions`, "pods of Windows are not known here");
  return securityContext;
}

function refuseImageSettings({ driver, container, spec, field }: TaskConfigOptions): void {
  const { privileged, readOnlyRootFilesystem, allowPrivilegeEscalation } = container.securityContext ?? {};
  const because = `the driver ${driver} has no setting for it: docker and podman have`;
  if (privileged === true) throw refused(`${field}.securityContext.privileged`, because);
  if (readOnlyRootFilesystem === true) throw refused(`${field}.securityContext.readOnlyRootFilesystem`, because);
  if (allowPrivilegeEscalation === false) throw refused(`${field}.securityContext.allowPrivilegeEscalation`, because);
  if ((spec.hostAliases ?? []).length > 0) throw refused("spec.hostAliases", because);
  if ((spec.securityContext?.sysctls ?? []).length > 0) throw refused("spec.securityContext.sysctls", because);
  if ((spec.securityContext?.supplementalGroups ?? []).length > 0)
    throw refused("spec.securityContext.supplementalGroups", because);
  if (container.tty === true) throw refused(`${field}.tty`, because);
}

function userOf({ driver, container, spec, field }: TaskConfigOptions): string | undefined {
  const of = { ...spec.securityContext, ...container.securityContext };
  if (of.runAsUser !== undefined) {
    if (of.runAsNonRoot === true && of.runAsUser === 0)
      throw new VirtualKubeletError("Invalid", "runAsNonRoot and user 0 exclude each other", {
        field: `${field}.securityContext.runAsUser`,
      });
    if (of.runAsGroup !== undefined && !runsImages(driver))
      throw refused(`${field}.securityContext.runAsGroup`, `the driver ${driver} takes a user alone`);
    return of.runAsGroup === undefined ? `${of.runAsUser}` : `${of.runAsUser}:${of.runAsGroup}`;
  }
  if (of.runAsGroup !== undefined)
    throw refused(
      `${field}.securityContext.runAsGroup`,
      "Nomad takes a group beside a user alone: runAsUser is missing",
    );
  if (of.runAsNonRoot === true)
    throw refused(
      `${field}.securityContext.runAsNonRoot`,
      "as whom the image runs is not known before Nomad has it: runAsUser says so",
    );
  return undefined;
}

function groups({ securityContext = {} }: PodSpec, driver: Driver, field: string): Record<string, unknown> {
  const { supplementalGroups = [], fsGroup } = securityContext;
  const all = [...new Set([...supplementalGroups, ...(fsGroup === undefined ? [] : [fsGroup])])].map(String);
  if (all.length === 0) return {};
  if (driver === "docker") return { group_add: all };
  throw refused("spec.securityContext", `the podman driver gives containers no further groups (${field})`);
}

function capability(name: string): string {
  return name.toLowerCase();
}
