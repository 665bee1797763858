// Security settings of a container as the cloud has them; what it cannot keep is refused or told of, as configured. Pure.
import type { Container, PodSpec } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, checkProfiles, unenforcedNotes, unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { EciConfig } from "./config.ts";
import type { Container as CloudContainer, CreateContainerGroupRequest } from "./wire.ts";

type Context = NonNullable<Container["securityContext"]>;
type PodContext = NonNullable<PodSpec["securityContext"]>;
type Security = Pick<
  CloudContainer,
  "SecurityContext" | "SecurityContextRunAsGroup" | "SecurityContextRunAsNonRoot" | "SecurityContextPrivileged"
>;

/** Those that the API takes as settings of the group itself; all others are for its host. */
const safeSysctls = new Set(["net.ipv4.ping_group_range", "net.ipv4.ip_unprivileged_port_start"]);
const hostSysctls = /^(kernel\.(shm|msg|sem)|fs\.mqueue\.|net\.(?!ipv4\.tcp_syncookies$)|vm\.min_free_kbytes$)/;

/** The pod's own settings. Throws Unsupported with the field. */
export function podSecurity(spec: PodSpec, { unenforcedSecurity }: EciConfig): readonly CreateNote[] {
  const context: PodContext = spec.securityContext ?? {};
  const path = "spec.securityContext";
  for (const [index, { name }] of (context.sysctls ?? []).entries())
    if (!safeSysctls.has(name) && !hostSysctls.test(name))
      throw unsupported(`${path}.sysctls[${index}].name`, `the cloud does not set ${name}`);
  const unenforced: [string, string][] = [];
  if (context.fsGroup !== undefined)
    unenforced.push([`${path}.fsGroup`, "the cloud changes no owners of volumes' files"]);
  if ((context.supplementalGroups ?? []).length > 0)
    unenforced.push([`${path}.supplementalGroups`, "the cloud gives processes no further groups"]);
  if (context.seLinuxOptions !== undefined) unenforced.push([`${path}.seLinuxOptions`, "the cloud has no SELinux"]);
  checkProfiles(context, path);
  return unenforcedNotes(unenforced, unenforcedSecurity);
}

export function sysctlsOf({
  securityContext,
}: PodSpec): Pick<CreateContainerGroupRequest, "SecurityContext" | "HostSecurityContext"> {
  const all = (securityContext?.sysctls ?? []).map(({ name, value }) => ({ Name: name, Value: value }));
  const own = all.filter(({ Name }) => safeSysctls.has(Name));
  const host = all.filter(({ Name }) => !safeSysctls.has(Name));
  return {
    ...(own.length > 0 && { SecurityContext: { Sysctl: own } }),
    ...(host.length > 0 && { HostSecurityContext: { Sysctl: host } }),
  };
}

/** Of one container, with what it has of the pod. Throws Unsupported with the field. */
export function containerSecurity(
  container: Container,
  spec: PodSpec,
  path: string,
  { unenforcedSecurity, allowed }: EciConfig,
): { readonly security: Security; readonly notes: readonly CreateNote[] } {
  const own: Context = container.securityContext ?? {};
  const ofPod: PodContext = spec.securityContext ?? {};
  const field = `${path}.securityContext`;
  const isInit = path.startsWith("spec.initContainers");
  checkProfiles(own, field);
  if (own.procMount !== undefined && own.procMount !== "Default")
    throw unsupported(`${field}.procMount`, "the cloud has the default one alone");
  if (own.privileged === true && !allowed.privileged)
    throw unsupported(`${field}.privileged`, "is not allowed: allowed.privileged of the provider's configuration");
  if (own.privileged === true && isInit)
    throw unsupported(`${field}.privileged`, "the cloud has no such setting of init containers");
  const runAsUser = own.runAsUser ?? ofPod.runAsUser;
  const runAsGroup = own.runAsGroup ?? ofPod.runAsGroup;
  const nonRoot = own.runAsNonRoot ?? ofPod.runAsNonRoot;
  const nonRootField = own.runAsNonRoot === undefined ? "spec.securityContext.runAsNonRoot" : `${field}.runAsNonRoot`;
  if (nonRoot === true && runAsUser === 0) throw unsupported(nonRootField, "the container runs as user 0");
  const { add = [], drop = [] } = own.capabilities ?? {};
  const unenforced: [string, string][] = [];
  if (drop.length > 0) unenforced.push([`${field}.capabilities.drop`, "the cloud adds capabilities, and drops none"]);
  if (own.allowPrivilegeEscalation === false)
    unenforced.push([`${field}.allowPrivilegeEscalation`, "the cloud has no such setting"]);
  if (own.seLinuxOptions !== undefined) unenforced.push([`${field}.seLinuxOptions`, "the cloud has no SELinux"]);
  if (isInit && runAsGroup !== undefined)
    unenforced.push([
      own.runAsGroup === undefined ? "spec.securityContext.runAsGroup" : `${field}.runAsGroup`,
      "the cloud has no such setting of init containers",
    ]);
  if (isInit && nonRoot === true && runAsUser === undefined)
    unenforced.push([
      nonRootField,
      "the cloud does not look as whom an init container's image runs: say so by runAsUser",
    ]);
  const context = {
    ...(add.length > 0 && { Capability: { Add: add } }),
    ...(own.readOnlyRootFilesystem === true && { ReadOnlyRootFilesystem: true }),
    ...(runAsUser !== undefined && { RunAsUser: runAsUser }),
  };
  const security: Security = {
    ...(Object.keys(context).length > 0 && { SecurityContext: context }),
    ...(!isInit && runAsGroup !== undefined && { SecurityContextRunAsGroup: runAsGroup }),
    ...(!isInit && nonRoot === true && { SecurityContextRunAsNonRoot: true }),
    ...(own.privileged === true && { SecurityContextPrivileged: true }),
  };
  return { security, notes: unenforcedNotes(unenforced, unenforcedSecurity) };
}
