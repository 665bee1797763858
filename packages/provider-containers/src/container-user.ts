// As whom a container runs: user, group and further groups, of its security context and of what its image says. Pure.
import { type ContainerSpec, type PodOwner, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";

/** Content of the image's account files; "" where it has none. */
export interface ImageAccounts {
  readonly passwd: string;
  readonly group: string;
}

export interface UserRequest {
  readonly security: ContainerSpec["security"];
  /** Of the pod's volumes, and of all its processes. */
  readonly fsGroup: number | undefined;
  /** As the image has it: "", "1000", "name", "1000:1000" ... */
  readonly imageUser: string;
}

export interface ContainerUser {
  /** As the engine takes it; absent: the image's. */
  readonly User?: string;
  readonly GroupAdd?: readonly string[];
}

/** Engines join an image's own groups only where no group is named: else they are to be looked up. */
export function needsAccounts({ security, imageUser }: UserRequest): boolean {
  return (
    security.runAsGroup !== undefined ||
    security.supplementalGroupsPolicy === "Strict" ||
    (security.runAsUser === undefined && imageUser.includes(":"))
  );
}

/** `accounts` are wanted where `needsAccounts`. */
export function containerUser(request: UserRequest, accounts: ImageAccounts): ContainerUser {
  const { security, fsGroup, imageUser } = request;
  const asked = [...(security.supplementalGroups ?? []), ...(fsGroup === undefined ? [] : [fsGroup])];
  const [ofImage = "", groupOfImage = ""] = imageUser.split(":");
  const user = security.runAsUser === undefined ? ofImage : String(security.runAsUser);
  const named = user === "" ? "0" : user;
  if (!needsAccounts(request)) return { ...(user !== "" && { User: user }), ...groupAdd(asked) };
  const account = passwdEntry(accounts.passwd, named);
  const group =
    security.runAsGroup === undefined
      ? ((security.runAsUser === undefined && groupOfImage !== "" ? groupOfImage : undefined) ?? account?.gid ?? "0")
      : String(security.runAsGroup);
  const own = security.supplementalGroupsPolicy === "Strict" ? [] : groupsOf(accounts.group, account?.name ?? named);
  return { User: `${named}:${group}`, ...groupAdd([...own, ...asked]) };
}

/** Why a container that must not be root cannot be made, in the kubelet's words; undefined where it may. */
export function rootFault(
  { security, imageUser }: Pick<UserRequest, "security" | "imageUser">,
  container: string,
  owner: PodOwner,
): VirtualKubeletError | undefined {
  if (security.runAsNonRoot !== true) return undefined;
  const where = `(pod: "${owner.name}_${owner.namespace}(${owner.uid})", container: ${container})`;
  const fault = (text: string): VirtualKubeletError =>
    new VirtualKubeletError("Invalid", `${text} ${where}`, { field: "securityContext.runAsNonRoot" });
  if (security.runAsUser !== undefined)
    return security.runAsUser === 0 ? fault("container's runAsUser breaks non-root policy") : undefined;
  const [user = ""] = imageUser.split(":");
  if (user === "" || /^0+$/.test(user)) return fault("container has runAsNonRoot and image will run as root");
  if (/^\d+$/.test(user)) return undefined;
  return fault(`container has runAsNonRoot and image has non-numeric user (${user}), cannot verify user is non-root`);
}

function groupAdd(groups: readonly number[]): Pick<ContainerUser, "GroupAdd"> {
  return groups.length === 0 ? {} : { GroupAdd: [...new Set(groups)].map(String) };
}

function passwdEntry(passwd: string, user: string): { readonly name: string; readonly gid: string } | undefined {
  for (const line of passwd.split("\n")) {
    const [name = "", , uid, gid] = line.split(":");
    if ((uid === user || name === user) && gid !== undefined && /^\d+$/.test(gid)) return { name, gid };
  }
  return undefined;
}

function groupsOf(group: string, user: string): readonly number[] {
  return group.split("\n").flatMap((line) => {
    const [, , gid, members] = line.trim().split(":");
    if (gid === undefined || !/^\d+$/.test(gid) || members?.split(",").includes(user) !== true) return [];
    return [Number(gid)];
  });
}
