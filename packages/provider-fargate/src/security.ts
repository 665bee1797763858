// Security settings of containers: those that Fargate has, those that it needs not be told, and those that are refused. Pure.
import type { ContainerDefinition } from "@aws-sdk/client-ecs";
import { type PodSpec, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { CreateNote, PlacedContainer } from "@virtual-kubelet/virtual-kubelet/cloud";

/** The one capability that a task on Fargate may have beside those of any container. */
const addable = ["SYS_PTRACE", "CAP_SYS_PTRACE"];

const refused = (field: string, message: string): VirtualKubeletError =>
  new VirtualKubeletError("Unsupported", message, { field });

export interface SecuritySettings {
  readonly definition: Pick<ContainerDefinition, "user" | "readonlyRootFilesystem" | "linuxParameters">;
  readonly notes: readonly CreateNote[];
}

/** Throws Unsupported with the field. */
export function securitySettings(
  { container, field }: PlacedContainer,
  spec: PodSpec,
  linux: boolean,
): SecuritySettings {
  const own = container.securityContext ?? {};
  const pod = spec.securityContext ?? {};
  const path = `${field}.securityContext`;
  const notes: CreateNote[] = [];
  const ignored = (what: string, why: string): void => {
    notes.push({ eventType: "Warning", reason: "FieldIgnored", message: `${path}.${what}: ${why}` });
  };
  if (own.privileged === true) throw refused(`${path}.privileged`, "Fargate runs no privileged containers");
  if (own.procMount !== undefined && own.procMount !== "Default")
    throw refused(`${path}.procMount`, "Fargate has the default alone");
  const profile = own.seccompProfile ?? pod.seccompProfile;
  if (profile !== undefined && profile.type !== "RuntimeDefault")
    throw refused(
      `${path}.seccompProfile`,
      `Fargate has its own seccomp profile for all containers: not ${profile.type}`,
    );
  const appArmor = own.appArmorProfile ?? pod.appArmorProfile;
  if (appArmor?.type === "Localhost") throw refused(`${path}.appArmorProfile`, "Fargate has no AppArmor profiles");
  const seLinux = own.seLinuxOptions ?? pod.seLinuxOptions;
  if (seLinux !== undefined && Object.keys(seLinux).length > 0)
    throw refused(`${path}.seLinuxOptions`, "Fargate has no SELinux labels");
  if (own.allowPrivilegeEscalation === false)
    ignored("allowPrivilegeEscalation", "Fargate cannot forbid setuid programs in a container");
  const user = own.runAsUser ?? pod.runAsUser;
  const group = own.runAsGroup ?? pod.runAsGroup;
  if ((own.runAsNonRoot ?? pod.runAsNonRoot) === true) {
    if (user === 0) throw refused(`${path}.runAsNonRoot`, "runAsUser is 0, which runAsNonRoot forbids");
    if (user === undefined) ignored("runAsNonRoot", "whether the image's own user is root is not looked at");
  }
  if (user === undefined && group !== undefined)
    throw refused(`${path}.runAsGroup`, "ECS takes a group together with a user alone: set runAsUser, too");
  const linuxParameters = capabilities(own.capabilities ?? {}, path);
  if (!linux && (user !== undefined || own.readOnlyRootFilesystem === true || linuxParameters !== undefined))
    throw refused(path, "ECS takes this of Linux containers alone");
  return {
    definition: {
      ...(user === undefined ? {} : { user: group === undefined ? `${user}` : `${user}:${group}` }),
      ...(own.readOnlyRootFilesystem === true ? { readonlyRootFilesystem: true } : {}),
      ...(linuxParameters === undefined ? {} : { linuxParameters }),
    },
    notes,
  };
}

function capabilities(
  { add = [], drop = [] }: { readonly add?: readonly string[]; readonly drop?: readonly string[] },
  path: string,
): ContainerDefinition["linuxParameters"] {
  const [foreign] = add.filter((name) => !addable.includes(name));
  if (foreign !== undefined)
    throw refused(`${path}.capabilities.add`, `Fargate gives no container the capability ${foreign}, SYS_PTRACE alone`);
  if (add.length === 0 && drop.length === 0) return undefined;
  const plain = (names: readonly string[]): string[] => names.map((name) => name.replace(/^CAP_/, ""));
  return {
    capabilities: {
      ...(add.length === 0 ? {} : { add: plain(add) }),
      ...(drop.length === 0 ? {} : { drop: plain(drop) }),
    },
  };
}
