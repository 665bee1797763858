// Secrets of Secrets Manager for pods: made before the task, removed with the pod. Only those under this node's name are ever touched.
import type { Tag } from "@aws-sdk/client-secrets-manager";
import {
  type CallContext,
  type Clock,
  isErrorKind,
  type PodOwner,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import type { AwsApi } from "./aws-api.ts";
import type { FargateConfig } from "./config.ts";
import { secretName, secretNamePrefix } from "./names.ts";
import type { PlannedSecret } from "./secret-values.ts";

export interface TaskSecretsOptions {
  readonly aws: AwsApi;
  readonly owner: Pick<PodOwner, "cluster" | "node">;
  readonly config: Pick<FargateConfig, "secrets">;
  readonly clock: Clock;
}

/** One that is younger may be of a pod whose task is yet to come. */
const minimumAgeMs = 15 * 60_000;

export class TaskSecrets {
  readonly #options: TaskSecretsOptions;
  /** Names by UID of those that this process made. */
  readonly #made = new Map<string, readonly string[]>();

  constructor(options: TaskSecretsOptions) {
    this.#options = options;
  }

  /** ARNs by name. Those that are there already are written anew. */
  async make(
    secrets: readonly PlannedSecret[],
    { uid }: PodOwner,
    tags: readonly Tag[],
    context: CallContext,
  ): Promise<ReadonlyMap<string, string>> {
    this.#made.set(
      uid,
      secrets.map(({ name }) => name),
    );
    const arns = new Map<string, string>();
    for (const secret of secrets) arns.set(secret.name, await this.#put(secret, tags, context));
    return arns;
  }

  async remove(owner: PodOwner, context: CallContext): Promise<void> {
    const known = this.#made.get(owner.uid);
    const names =
      known ??
      (await this.#namesUnder(secretName(this.#options.config.secrets.prefix, owner, ""), context)).map(
        ({ name }) => name,
      );
    for (const name of names) await this.#delete(name, context);
    this.#made.delete(owner.uid);
  }

  /** Removes what was left behind: of pods without a task that needs it. */
  async clean(living: ReadonlySet<string>, context: CallContext): Promise<void> {
    const { owner, config, clock } = this.#options;
    const prefix = secretNamePrefix(config.secrets.prefix, owner);
    for (const { name, createdAt } of await this.#namesUnder(prefix, context)) {
      const [uid = ""] = name.slice(prefix.length).split("/");
      if (living.has(uid) || clock.now() - createdAt < minimumAgeMs) continue;
      await this.#delete(name, context);
      this.#made.delete(uid);
    }
  }

  async #put({ name, text }: PlannedSecret, tags: readonly Tag[], context: CallContext): Promise<string> {
    const { aws, config } = this.#options;
    const { kmsKeyID } = config.secrets;
    let arn: string | undefined;
    try {
      const made = await aws.createSecret(
        { Name: name, SecretString: text, Tags: [...tags], ...(kmsKeyID === "" ? {} : { KmsKeyId: kmsKeyID }) },
        context,
      );
      arn = made.ARN;
    } catch (error) {
      // Being deleted still, by the name of an earlier try.
      if (isErrorKind(error, "Invalid"))
        throw new VirtualKubeletError("Unavailable", "a secret cannot be made yet", { cause: error });
      if (!isErrorKind(error, "Conflict")) throw error;
      arn = (await aws.putSecretValue({ SecretId: name, SecretString: text }, context)).ARN;
    }
    if (arn === undefined) throw new VirtualKubeletError("Unavailable", "Secrets Manager answered without an ARN");
    return arn;
  }

  async #delete(name: string, context: CallContext): Promise<void> {
    try {
      await this.#options.aws.deleteSecret({ SecretId: name, ForceDeleteWithoutRecovery: true }, context);
    } catch (error) {
      if (!isErrorKind(error, "NotFound")) throw error;
    }
  }

  async #namesUnder(
    prefix: string,
    context: CallContext,
  ): Promise<readonly { readonly name: string; readonly createdAt: number }[]> {
    const all: { name: string; createdAt: number }[] = [];
    let NextToken: string | undefined;
    do {
      const page = await this.#options.aws.listSecrets(
        { Filters: [{ Key: "name", Values: [prefix] }], MaxResults: 100, NextToken },
        context,
      );
      for (const { Name = "", CreatedDate } of page.SecretList ?? [])
        if (Name.startsWith(prefix)) all.push({ name: Name, createdAt: CreatedDate?.getTime() ?? 0 });
      NextToken = page.NextToken;
    } while (NextToken !== undefined);
    return all;
  }
}
