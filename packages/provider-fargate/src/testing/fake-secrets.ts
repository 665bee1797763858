// Secrets Manager as far as tasks and those who run them use it.
import { randomUUID } from "node:crypto";
import * as secrets from "@aws-sdk/client-secrets-manager";
import { operation, type Service } from "./aws-operation.ts";
import { refusal } from "./aws-refusal.ts";
import { type FakeAccount, hexId, page } from "./fake-ecs-account.ts";

export interface FakeSecret {
  readonly arn: string;
  readonly name: string;
  value: string;
  version: string;
  description: string | undefined;
  tags: Map<string, string>;
  readonly created: Date;
  /** A name that waits for its deletion is still taken. */
  deletedAt: Date | undefined;
}

const missing = "Secrets Manager can't find the specified secret.";

export class FakeSecrets {
  /** By name. */
  readonly all: Map<string, FakeSecret> = new Map();
  readonly #account: FakeAccount;

  constructor(account: FakeAccount) {
    this.#account = account;
  }

  /** What `valueFrom` of a container's secret stands for: `arn[:key:stage:version]`. */
  valueFrom(text: string): string {
    const [arn, key = ""] = /^arn:aws:secretsmanager:[^:]*:[^:]*:secret:[^:]*/.test(text)
      ? [text.split(":").slice(0, 7).join(":"), text.split(":")[7]]
      : [text];
    const { value } = this.#live(arn);
    if (key === "") return value;
    const json: unknown = JSON.parse(value);
    const found: unknown = typeof json === "object" && json !== null ? Reflect.get(json, key) : undefined;
    if (typeof found === "string") return found;
    throw refusal("ResourceNotFoundException", `retrieved secret from Secrets Manager did not contain json key ${key}`);
  }

  readonly service: Service = {
    target: "secretsmanager",
    name: "secretsmanager",
    operations: {
      CreateSecret: operation<secrets.CreateSecretRequest, secrets.CreateSecretResponse>(
        secrets.CreateSecret$,
        (input) => this.#create(input),
      ),
      GetSecretValue: operation<secrets.GetSecretValueRequest, secrets.GetSecretValueResponse>(
        secrets.GetSecretValue$,
        ({ SecretId = "" }) => {
          const { arn, name, value, version, created } = this.#live(SecretId);
          return { ARN: arn, Name: name, SecretString: value, VersionId: version, CreatedDate: created };
        },
      ),
      PutSecretValue: operation<secrets.PutSecretValueRequest, secrets.PutSecretValueResponse>(
        secrets.PutSecretValue$,
        ({ SecretId = "", SecretString = "", ClientRequestToken = randomUUID() }) => {
          const secret = this.#live(SecretId);
          checkSize(SecretString);
          if (secret.version === ClientRequestToken && secret.value !== SecretString)
            throw refusal("ResourceExistsException", "A version with that token has other content.");
          secret.value = SecretString;
          secret.version = ClientRequestToken;
          return { ARN: secret.arn, Name: secret.name, VersionId: secret.version };
        },
      ),
      DescribeSecret: operation<secrets.DescribeSecretRequest, secrets.DescribeSecretResponse>(
        secrets.DescribeSecret$,
        ({ SecretId = "" }) => entry(this.#find(SecretId)),
      ),
      DeleteSecret: operation<secrets.DeleteSecretRequest, secrets.DeleteSecretResponse>(
        secrets.DeleteSecret$,
        (input) => this.#delete(input),
      ),
      ListSecrets: operation<secrets.ListSecretsRequest, secrets.ListSecretsResponse>(secrets.ListSecrets$, (input) =>
        this.#list(input),
      ),
      TagResource: operation<secrets.TagResourceRequest, object>(
        secrets.TagResource$,
        ({ SecretId = "", Tags = [] }) => {
          const { tags } = this.#live(SecretId);
          for (const { Key = "", Value = "" } of Tags) tags.set(Key, Value);
          return {};
        },
      ),
    },
  };

  #find(id: string): FakeSecret {
    const found = [...this.all.values()].find(({ name, arn }) => id === name || id === arn);
    if (found === undefined) throw refusal("ResourceNotFoundException", missing);
    return found;
  }

  #live(id: string): FakeSecret {
    const found = this.#find(id);
    if (found.deletedAt === undefined) return found;
    throw refusal(
      "InvalidRequestException",
      "You can't perform this operation on the secret because it was marked for deletion.",
    );
  }

  #create(input: secrets.CreateSecretRequest): secrets.CreateSecretResponse {
    const { Name: name = "", SecretString: value = "", Description: description, Tags = [] } = input;
    const version = input.ClientRequestToken ?? randomUUID();
    if (!/^[a-zA-Z0-9/_+=.@-]{1,512}$/.test(name)) throw refusal("ValidationException", "Invalid name.");
    checkSize(value);
    const before = this.all.get(name);
    if (before?.deletedAt !== undefined)
      throw refusal(
        "InvalidRequestException",
        "You can't create this secret because a secret with this name is already scheduled for deletion.",
      );
    if (before !== undefined && (before.version !== version || before.value !== value))
      throw refusal("ResourceExistsException", "The operation failed because the secret already exists.");
    const arn = before?.arn ?? this.#account.arn("secretsmanager", `secret:${name}-${hexId(3)}`);
    const tags = new Map(Tags.map(({ Key = "", Value = "" }) => [Key, Value]));
    if (before === undefined)
      this.all.set(name, {
        arn,
        name,
        value,
        version,
        description,
        tags,
        created: this.#account.now(),
        deletedAt: undefined,
      });
    return { ARN: arn, Name: name, VersionId: version };
  }

  #delete(input: secrets.DeleteSecretRequest): secrets.DeleteSecretResponse {
    const { SecretId = "", ForceDeleteWithoutRecovery: force = false, RecoveryWindowInDays: days } = input;
    if (force && days !== undefined)
      throw refusal(
        "InvalidParameterException",
        "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
      );
    const now = this.#account.now();
    const found = [...this.all.values()].find(({ name, arn }) => SecretId === name || SecretId === arn);
    // By force even what there is not is deleted.
    if (found === undefined && force) return { Name: SecretId, ARN: SecretId, DeletionDate: now };
    const secret = this.#live(SecretId);
    if (force) this.all.delete(secret.name);
    else secret.deletedAt = now;
    return { ARN: secret.arn, Name: secret.name, DeletionDate: now };
  }

  #list({
    Filters = [],
    IncludePlannedDeletion = false,
    NextToken,
    MaxResults,
  }: secrets.ListSecretsRequest): secrets.ListSecretsResponse {
    const matches = (secret: FakeSecret): boolean =>
      Filters.every(({ Key, Values = [] }) => {
        const text = {
          name: [secret.name],
          "tag-key": [...secret.tags.keys()],
          "tag-value": [...secret.tags.values()],
        };
        const held =
          Key === "name" || Key === "tag-key" || Key === "tag-value" ? text[Key] : [secret.description ?? ""];
        return Values.some((value) => held.some((each) => each.startsWith(value)));
      });
    const all = [...this.all.values()].filter(
      (each) => (IncludePlannedDeletion || each.deletedAt === undefined) && matches(each),
    );
    const found = page(all, NextToken, MaxResults, 100);
    return { SecretList: found.items.map(entry), NextToken: found.nextToken };
  }
}

function entry({ arn, name, description, tags, created, deletedAt }: FakeSecret): secrets.SecretListEntry {
  const Tags = [...tags].map(([Key, Value]) => ({ Key, Value }));
  return { ARN: arn, Name: name, Description: description, Tags, CreatedDate: created, DeletedDate: deletedAt };
}

function checkSize(value: string): void {
  if (Buffer.byteLength(value) > 65_536)
    throw refusal("ValidationException", "secretString must have at most 65536 bytes.");
}
