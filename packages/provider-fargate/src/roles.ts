// The role of a pod's task: named by its annotation or its ServiceAccount's, where the configuration lets pods name it. Pure.
import { type Pod, type ResolvedPod, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { FargateConfig } from "./config.ts";

const annotation = "iam.amazonaws.com/role";
const serviceAccountAnnotation = "eks.amazonaws.com/role-arn";

/**
 * "" for none. The ServiceAccount's comes with the pod: the webhook of EKS writes it into the variable AWS_ROLE_ARN of containers;
 * where that does not run, the pod may have the annotation itself. Throws Unsupported for a role that pods may not name.
 */
export function taskRole(
  pod: Pod,
  resolved: Pick<ResolvedPod, "containers"> | undefined,
  { taskRoles }: FargateConfig,
): string {
  const { annotations = {} } = pod.metadata ?? {};
  const injected = (resolved?.containers ?? [])
    .flatMap(({ env }) => env)
    .find(({ name, value }) => name === "AWS_ROLE_ARN" && typeof value === "string")?.value;
  const [key, named] =
    annotations[annotation] !== undefined
      ? [annotation, annotations[annotation]]
      : [
          serviceAccountAnnotation,
          annotations[serviceAccountAnnotation] ?? (typeof injected === "string" ? injected : undefined),
        ];
  if (named === undefined || named === "") return taskRoles.default;
  if (named !== taskRoles.default && !taskRoles.allowed.some((pattern) => matches(named, pattern)))
    throw new VirtualKubeletError(
      "Unsupported",
      `pods may not name the role ${named}: it is not among taskRoles.allowed`,
      {
        field: `metadata.annotations[${key}]`,
      },
    );
  return named;
}

function matches(text: string, pattern: string): boolean {
  const parts = pattern.split("*").map((part) => part.replaceAll(/[\\^$+.()|[\]{}?]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join(".*")}$`).test(text);
}
