// Security settings of a container as the cloud has them; what it cannot keep is refused or told of, as configured. Pure.
import type { Container, PodSpec } from "@virtual-kubelet/virtual-kubelet";
import { type CreateNote, checkProfiles, unenforcedNotes, unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AciConfig } from "./config.ts";
import type { SecurityContextDefinition } from "./wire-containers.ts";

type Context = NonNullable<Container["securityContext"]>;
type PodContext = NonNullable<PodSpec["securityContext"]>;

/** The pod's own settings. Throws Unsupported with the field. */
export function podSecurity(spec: PodSpec, { unenforcedSecurity }: AciConfig): readonly CreateNote[] {
  const context: PodContext = spec.securityContext ?? {};
  const path = "spec.securityContext";
  if ((context.sysctls ?? []).length > 0) throw unsupported(`${path}.sysctls`, "the cloud sets no sysctls");
  const unenforced: [string, string][] = [];
  if (context.fsGroup !== undefined)
    unenforced.push([`${path}.fsGroup`, "the cloud changes no owners of volumes' files"]);
  if ((context.supplementalGroups ?? []).length > 0)
    unenforced.push([`${path}.supplementalGroups`, "the cloud gives processes no further groups"]);
  if (context.seLinuxOptions !== undefined) unenforced.push([`${path}.seLinuxOptions`, "the cloud has no SELinux"]);
  checkProfiles(context, path);
  return unenforcedNotes(unenforced, unenforcedSecurity);
}

/** Of one container, with what it has of the pod. Throws Unsupported with the field. */
export function containerSecurity(
  container: Container,
  spec: PodSpec,
  path: string,
  { unenforcedSecurity }: AciConfig,
): { readonly context?: SecurityContextDefinition | undefined; readonly notes: readonly CreateNote[] } {
  const own: Context = container.securityContext ?? {};
  const ofPod: PodContext = spec.securityContext ?? {};
  const field = `${path}.securityContext`;
  checkProfiles(own, field);
  if (own.procMount !== undefined && own.procMount !== "Default")
    throw unsupported(`${field}.procMount`, "the cloud has the default one alone");
  const runAsUser = own.runAsUser ?? ofPod.runAsUser;
  const runAsGroup = own.runAsGroup ?? ofPod.runAsGroup;
  const nonRoot = own.runAsNonRoot ?? ofPod.runAsNonRoot;
  const nonRootField = own.runAsNonRoot === undefined ? "spec.securityContext.runAsNonRoot" : `${field}.runAsNonRoot`;
  if (nonRoot === true && runAsUser === 0) throw unsupported(nonRootField, "the container runs as user 0");
  const unenforced: [string, string][] = [];
  if (nonRoot === true && runAsUser === undefined)
    unenforced.push([nonRootField, "the cloud does not look as whom an image runs: say so by runAsUser"]);
  if (own.readOnlyRootFilesystem === true)
    unenforced.push([`${field}.readOnlyRootFilesystem`, "the cloud's containers can always write to their own files"]);
  if (own.seLinuxOptions !== undefined) unenforced.push([`${field}.seLinuxOptions`, "the cloud has no SELinux"]);

  const { add = [], drop = [] } = own.capabilities ?? {};
  const context: SecurityContextDefinition = {
    ...(own.privileged === true && { privileged: true }),
    ...(own.allowPrivilegeEscalation !== undefined && { allowPrivilegeEscalation: own.allowPrivilegeEscalation }),
    ...((add.length > 0 || drop.length > 0) && {
      capabilities: { ...(add.length > 0 && { add }), ...(drop.length > 0 && { drop }) },
    }),
    ...(runAsUser !== undefined && { runAsUser }),
    ...(runAsGroup !== undefined && { runAsGroup }),
  };
  const notes = unenforcedNotes(unenforced, unenforcedSecurity);
  return Object.keys(context).length === 0 ? { notes } : { context, notes };
}
