// The role of a pod's task: named by its annotation or its ServiceAccount's, where the configuration lets pods name it. Pure.
import { type Pod, type ResolvedPod, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { CreateNote } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { FargateConfig } from "./config.ts";

const annotation = "iam.amazonaws.com/role";
const serviceAccountAnnotation = "eks.amazonaws.com/role-arn";

export interface TaskRole {
  /** "" for none. */
  readonly role: string;
  readonly notes: readonly CreateNote[];
}

/**
 * The ServiceAccount's comes with the pod: the webhook of EKS, which also runs elsewhere, writes its annotation into the variable
 * AWS_ROLE_ARN of containers. So nobody here has to read ServiceAccounts, and what the pod was admitted with is what counts. Where the
 * webhook does not run, the pod may have the annotation itself. Throws Unsupported for a role that pods may not name, unless the
 * webhook has brought a token for it, too: that is enough without the task's having it.
 */
export function taskRole(
  pod: Pick<Pod, "metadata" | "spec">,
  resolved: Pick<ResolvedPod, "containers"> | undefined,
  { taskRoles }: Pick<FargateConfig, "taskRoles">,
): TaskRole {
  const { annotations = {} } = pod.metadata ?? {};
  const key = [annotation, serviceAccountAnnotation].find((each) => annotations[each] !== undefined);
  const named = key === undefined ? variable("AWS_ROLE_ARN", pod, resolved) : annotations[key];
  if (named === undefined || named === "") return { role: taskRoles.default, notes: [] };
  const isAllowed = named === taskRoles.default || taskRoles.allowed.some((pattern) => matches(named, pattern));
  if (isAllowed) return { role: named, notes: [] };
  if (key === undefined && variable("AWS_WEB_IDENTITY_TOKEN_FILE", pod, resolved) !== undefined) {
    const message = `the task does not have the role ${named}, which is not among taskRoles.allowed: containers have it by their token alone`;
    return { role: taskRoles.default, notes: [{ eventType: "Normal", reason: "RoleByToken", message }] };
  }
  throw new VirtualKubeletError(
    "Unsupported",
    `pods may not name the role ${named}: it is not among taskRoles.allowed`,
    { field: key === undefined ? "spec.containers[*].env[AWS_ROLE_ARN]" : `metadata.annotations[${key}]` },
  );
}

/** Of the first container that has it. Before the pod is resolved, as its spec says it. */
function variable(
  wanted: string,
  { spec }: Pick<Pod, "spec">,
  resolved: Pick<ResolvedPod, "containers"> | undefined,
): string | undefined {
  const containers = resolved?.containers ?? [...(spec?.initContainers ?? []), ...(spec?.containers ?? [])];
  for (const { env = [] } of containers)
    for (const { name, value } of env) if (name === wanted && typeof value === "string") return value;
  return undefined;
}

function matches(text: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[\\^$+.()|[\]{}?]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join(".*")}$`).test(text);
}
