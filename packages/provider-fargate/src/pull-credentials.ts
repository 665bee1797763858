// Credentials of registries as ECS takes them: a secret of Secrets Manager for each. Pure.
import { credentialsFor, type ImageCredential, type PodOwner, parseImageName } from "@virtual-kubelet/virtual-kubelet";
import type { CreateNote } from "@virtual-kubelet/virtual-kubelet/cloud";
import { secretName } from "./names.ts";
import type { PlannedSecret } from "./secret-values.ts";

/** Registries of the account and its neighbours: the execution role is what they know. */
const ecr = /^\d{12}\.dkr[.-]ecr(-fips)?\.[a-z0-9-]+\./;

export interface PullCredentials {
  /** Name of the secret for each image that needs one. */
  readonly secretOf: ReadonlyMap<string, string>;
  readonly secrets: readonly PlannedSecret[];
  readonly notes: readonly CreateNote[];
}

export function pullCredentials(
  images: readonly string[],
  all: readonly ImageCredential[],
  owner: PodOwner,
  prefix: string,
): PullCredentials {
  const secretOf = new Map<string, string>();
  const secrets = new Map<string, PlannedSecret>();
  const notes: CreateNote[] = [];
  for (const image of new Set(images)) {
    if (ecr.test(parseImageName(image).repository)) continue;
    const [credential] = credentialsFor(image, all);
    if (credential === undefined) continue;
    if (credential.identityToken !== undefined) {
      const message = `spec.imagePullSecrets: ECS takes name and password alone, not the identity token for ${credential.registry}`;
      notes.push({ eventType: "Warning", reason: "FieldIgnored", message });
      continue;
    }
    const { username, password } = credential;
    const name = secretName(prefix, owner, `registry-${all.indexOf(credential)}`);
    secrets.set(name, { name, text: JSON.stringify({ username, password }) });
    secretOf.set(image, name);
  }
  return { secretOf, secrets: [...secrets.values()], notes };
}
