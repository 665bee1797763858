// Configuration of the Fargate provider: which cluster and network, what pods may have, what is told to whom. All faults are
// reported at once. A file that ends in .toml is one of the Go provider.
import { readFile } from "node:fs/promises";
import type { OSFamily } from "@aws-sdk/client-ecs";
import { errorText, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { checkedConfig, type ProviderConfigSource, readProviderConfig } from "@virtual-kubelet/virtual-kubelet/host";
import { parse as parseToml } from "smol-toml";
import { configSchema } from "./config-schema.ts";
import type { CredentialsConfig } from "./credentials-config.ts";
import { fromGoConfig } from "./go-config.ts";

export interface FargateConfig {
  /** Default: AWS_REGION, then AWS_DEFAULT_REGION. Any region; what AWS does not have is found when it is called. */
  readonly region: string;
  /** Name or ARN of the ECS cluster. Default "default". */
  readonly cluster: string;
  /** The cluster is made when it is not there. Default false. */
  readonly createCluster: boolean;
  readonly network: {
    readonly subnets: readonly string[];
    readonly securityGroups: readonly string[];
    readonly assignPublicIP: boolean;
  };
  /** What pulls images, reads secrets and writes logs. */
  readonly executionRoleARN: string;
  readonly taskRoles: {
    /** Of pods that name none. Exec needs one. */
    readonly default: string;
    /** Those that pods may name by annotation, themselves or by their ServiceAccount: ARNs, `*` for any part. Default none. */
    readonly allowed: readonly string[];
  };
  readonly platform: {
    readonly operatingSystem: OSFamily;
    readonly architecture: "X86_64" | "ARM64";
    /** Default LATEST. */
    readonly version: string;
  };
  /** Where tasks run; empty: launch type FARGATE. */
  readonly capacityProviders: readonly { readonly name: string; readonly weight: number; readonly base: number }[];
  /** Of the node: what pods may ask for altogether. */
  readonly capacity: {
    readonly cpu: string;
    readonly memory: string;
    readonly "ephemeral-storage": string;
    readonly pods: string;
  };
  /** Absent: logs are kept nowhere. */
  readonly logs?: { readonly group: string; readonly createGroup: boolean } | undefined;
  /** Commands in containers by the agent of Systems Manager. Default: where there is a default task role. */
  readonly exec: boolean;
  /** An image with /bin/sh, base64 and tar: brings files into volumes, and holds a task of several containers that end. */
  readonly helperImage: string;
  /** Files of running pods are renewed, by a container of the helper image beside them; needs exec. Default true. */
  readonly updateVolumes: boolean;
  readonly secrets: { readonly prefix: string; readonly kmsKeyID: string };
  readonly stats: boolean;
  /** A queue to which a rule of EventBridge sends the task state changes of the cluster. */
  readonly events?: { readonly queueURL: string } | undefined;
  /** On all that is made, beside the owner's. */
  readonly tags: Readonly<Record<string, string>>;
  readonly taskDefinitions: { readonly keepUnusedSeconds: number };
  /** Tasks that the Go provider started are looked after, too. */
  readonly adoptGoTasks: boolean;
  readonly credentials: CredentialsConfig;
  /** In place of the public ones of the region: of interface endpoints of a VPC, or of a test. */
  readonly endpoints: {
    readonly [service in "ecs" | "logs" | "secretsManager" | "cloudWatch" | "sqs" | "sts"]?: string | undefined;
  };
  /** Calls per second by operation ("RunTask"), where the account's limits are not the usual ones. */
  readonly callLimits: Readonly<Record<string, { readonly perSecond: number; readonly burst: number }>>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** Throws Invalid with all faults in one message. */
export function parseFargateConfig(value: unknown, env: Environment = process.env): FargateConfig {
  // A key that is there as undefined would hide the default.
  const region = env["AWS_REGION"] ?? env["AWS_DEFAULT_REGION"];
  const given = typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  const whole = given === undefined ? value : region === undefined || "region" in given ? given : { ...given, region };
  return checkedConfig("fargate", configSchema, whole ?? {});
}

/** From the object in the program's configuration, or from a file of its own: JSON or YAML, or the Go provider's .toml. */
export async function readFargateConfig(
  source: ProviderConfigSource,
  env: Environment = process.env,
): Promise<FargateConfig> {
  const { path, object } = source;
  if (path === undefined || !path.endsWith(".toml"))
    return readProviderConfig("fargate", source, (value) => parseFargateConfig(value, env));
  if (object !== undefined) return readProviderConfig("fargate", source, (value) => parseFargateConfig(value, env));
  let table: unknown;
  try {
    table = parseToml(await readFile(path, "utf8"));
  } catch (cause) {
    throw new VirtualKubeletError("Invalid", `cannot read ${path}: ${errorText(cause)}`, { cause });
  }
  return parseFargateConfig(fromGoConfig(table), env);
}
