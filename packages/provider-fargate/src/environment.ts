// The environment of a container: secrets by reference, what is this pod's alone apart, so that pods of one template share a
// definition. Pure.
import type { KeyValuePair, Secret } from "@aws-sdk/client-ecs";
import {
  type Container,
  type PodOwner,
  type ResolvedContainer,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import type { PlainEnvVar } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { SecretValues } from "./secret-values.ts";

export interface Environment {
  readonly environment: readonly KeyValuePair[];
  readonly secrets: readonly Secret[];
  /** Holds the pod's name or UID. */
  readonly own: readonly KeyValuePair[];
}

export function environmentOf(
  env: readonly PlainEnvVar[],
  owner: Pick<PodOwner, "name" | "uid">,
  secretValues: SecretValues,
): Environment {
  const environment: KeyValuePair[] = [];
  const secrets: Secret[] = [];
  const own: KeyValuePair[] = [];
  for (const { name, value, secret } of env) {
    // Secrets Manager gives no empty values.
    if (secret === true && value !== "") secrets.push({ name, valueFrom: secretValues.add(value) });
    else if (value.includes(owner.uid) || value.includes(owner.name)) own.push({ name, value });
    else environment.push({ name, value });
  }
  return { environment, secrets, own };
}

/** A task definition can be read by many: throws Unsupported for a secret that `$(NAME)` would bring into its command. */
export function refuseSecretArguments(
  container: Container,
  { env }: Pick<ResolvedContainer, "env">,
  field: string,
): void {
  const secrets = new Set(env.filter(({ secret }) => secret === true).map(({ name }) => name));
  for (const list of ["command", "args"] as const)
    for (const [index, text] of (container[list] ?? []).entries())
      for (const [whole, name = ""] of text.matchAll(/\$\$|\$\(([^)]+)\)/g))
        if (whole !== "$$" && secrets.has(name))
          throw new VirtualKubeletError(
            "Unsupported",
            `the secret $(${name}) would be readable in the task definition: have a shell expand it ("$${name}")`,
            { field: `${field}.${list}[${index}]` },
          );
}
