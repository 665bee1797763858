// As whom a container runs: user, group and further groups, of its security context and of what its image says. Pure.
import {
  type ContainerSpec,
  type PodOwner,
  type RuntimeUser,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";

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
  /** As the engine takes it. */
  readonly User: string;
  readonly GroupAdd?: readonly string[];
  /** In numbers; absent where the image does not know the user, with whom nothing can begin then. */
  readonly effective?: RuntimeUser;
}

/**
 * Nothing is left to the engine, which joins an image's own groups or does not, as the user is named. Throws Invalid where the image
 * calls somebody else by a number that is asked for: engines go by names first, and the number would not be who it is.
 */
export function containerUser({ security, fsGroup, imageUser }: UserRequest, accounts: ImageAccounts): ContainerUser {
  const asked = [...(security.supplementalGroups ?? []), ...(fsGroup === undefined ? [] : [fsGroup])];
  const [ofImage = "", groupOfImage = ""] = imageUser.split(":");
  const user = security.runAsUser === undefined ? ofImage || "0" : String(security.runAsUser);
  const account = passwdEntry(accounts.passwd, user);
  const imageGroup = security.runAsUser === undefined && groupOfImage !== "" ? groupOfImage : undefined;
  const group = security.runAsGroup?.toString() ?? imageGroup ?? account?.gid ?? "0";
  const own = security.supplementalGroupsPolicy === "Strict" ? [] : groupsOf(accounts.group, account?.name ?? user);
  const groups = [...new Set([...own, ...asked])];
  checkNumbers(accounts.passwd, "user", [user]);
  checkNumbers(accounts.group, "group", [group, ...groups.map(String)]);
  const [uid, gid] = [numeric(user) ?? numeric(account?.uid), numeric(group) ?? groupNumber(accounts.group, group)];
  return {
    User: `${user}:${group}`,
    ...(groups.length > 0 && { GroupAdd: groups.map(String) }),
    ...(uid !== undefined &&
      gid !== undefined && { effective: { uid, gid, supplementalGroups: [...new Set([gid, ...groups])] } }),
  };
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

/** In both files the name stands first, the number third. */
function checkNumbers(file: string, what: "user" | "group", wanted: readonly string[]): void {
  for (const line of file.split("\n")) {
    const [name = "", , id] = line.trim().split(":");
    if (wanted.includes(name) && numeric(name) !== undefined && numeric(id) !== numeric(name))
      throw new VirtualKubeletError("Invalid", `the image calls ${what} ${id} by the number ${name}`);
  }
}

function numeric(text: string | undefined): number | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: string;
  readonly gid: string;
}

function passwdEntry(passwd: string, user: string): PasswdEntry | undefined {
  for (const line of passwd.split("\n")) {
    const [name = "", , uid = "", gid = ""] = line.split(":");
    if ((uid === user || name === user) && numeric(gid) !== undefined) return { name, uid, gid };
  }
  return undefined;
}

function groupNumber(group: string, wanted: string): number | undefined {
  for (const line of group.split("\n")) {
    const [name, , gid] = line.split(":");
    if (name === wanted) return numeric(gid);
  }
  return undefined;
}

function groupsOf(group: string, user: string): readonly number[] {
  return group.split("\n").flatMap((line) => {
    const [, , gid, members = ""] = line.trim().split(":");
    const number = numeric(gid);
    return number === undefined || !members.split(",").includes(user) ? [] : [number];
  });
}
