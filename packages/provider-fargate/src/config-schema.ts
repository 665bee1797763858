// What is right in the configuration, and what it is where nothing is said.
import { quantity } from "@virtual-kubelet/virtual-kubelet/host";
import * as v from "valibot";
import type { FargateConfig } from "./config.ts";
import { credentials } from "./credentials-config.ts";

const arn = (what: string, type: string): v.GenericSchema<string, string> =>
  v.pipe(
    v.string(),
    v.regex(
      new RegExp(`^$|^arn:aws[a-z-]*:${type}`),
      `must be the ARN of ${what}, like arn:aws:${type.replaceAll("\\d{12}", "123456789012")}name`,
    ),
  );
/** Those of Fargate. */
const operatingSystems = [
  "LINUX",
  "WINDOWS_SERVER_2019_CORE",
  "WINDOWS_SERVER_2019_FULL",
  "WINDOWS_SERVER_2022_CORE",
  "WINDOWS_SERVER_2022_FULL",
  "WINDOWS_SERVER_2025_CORE",
  "WINDOWS_SERVER_2025_FULL",
] as const;
const roleARN = arn("a role", "iam::\\d{12}:role/");
const url = v.pipe(v.string(), v.regex(/^https?:\/\/[^\s/]+(\/\S*)?$/, "must be a URL like https://host"));
const whole = v.pipe(
  v.number("must be a number"),
  v.integer("must be a whole number"),
  v.minValue(0, "must not be negative"),
);
const listOf = (prefix: string, what: string): v.GenericSchema<readonly string[], readonly string[]> =>
  v.array(
    v.pipe(
      v.string(),
      v.regex(new RegExp(`^${prefix}-[0-9a-zA-Z]+$`), `must be the ID of a ${what}, like ${prefix}-0123abcd`),
    ),
  );

const schema = v.strictObject({
  region: v.pipe(
    v.string("is required, here or by AWS_REGION"),
    v.regex(/^[a-z]{2,}(-[a-z]+)+-\d+$/, "must be a region like eu-west-1"),
  ),
  cluster: v.optional(
    v.pipe(
      v.string(),
      v.regex(
        /^([\w-]{1,255}|arn:aws[a-z-]*:ecs:[a-z0-9-]+:\d{12}:cluster\/[\w-]{1,255})$/,
        "must be the name of a cluster, or its ARN",
      ),
    ),
    "default",
  ),
  createCluster: v.optional(v.boolean(), false),
  network: v.strictObject({
    subnets: v.pipe(
      listOf("subnet", "subnet"),
      v.minLength(1, "must name a subnet at least"),
      v.maxLength(16, "must name at most 16 subnets"),
    ),
    securityGroups: v.optional(
      v.pipe(listOf("sg", "security group"), v.maxLength(5, "must name at most 5 security groups")),
      [],
    ),
    assignPublicIP: v.optional(v.boolean(), false),
  }),
  executionRoleARN: v.optional(roleARN, ""),
  taskRoles: v.optional(
    v.strictObject({
      default: v.optional(roleARN, ""),
      allowed: v.optional(v.array(v.pipe(v.string(), v.minLength(1, "must not be empty"))), []),
    }),
    {},
  ),
  platform: v.optional(
    v.pipe(
      v.strictObject({
        operatingSystem: v.optional(
          v.picklist(operatingSystems, `must be one of ${operatingSystems.join(", ")}`),
          "LINUX",
        ),
        architecture: v.optional(v.picklist(["X86_64", "ARM64"], "must be X86_64 or ARM64"), "X86_64"),
        version: v.optional(
          v.pipe(v.string(), v.regex(/^(LATEST|\d+\.\d+\.\d+)$/, "must be LATEST or a version like 1.4.0")),
          "LATEST",
        ),
      }),
      v.check(
        ({ operatingSystem, architecture }) => operatingSystem === "LINUX" || architecture === "X86_64",
        "Windows is there for X86_64 alone",
      ),
    ),
    {},
  ),
  capacityProviders: v.optional(
    v.pipe(
      v.array(
        v.strictObject({
          name: v.pipe(v.string(), v.minLength(1, "must not be empty")),
          weight: v.optional(v.pipe(whole, v.maxValue(1000, "must be at most 1000")), 1),
          base: v.optional(v.pipe(whole, v.maxValue(100_000, "must be at most 100000")), 0),
        }),
      ),
      v.maxLength(20, "must be at most 20"),
      v.check((all) => all.length === 0 || all.some(({ weight }) => weight > 0), "one needs a weight above 0"),
      v.check((all) => all.filter(({ base }) => base > 0).length <= 1, "one alone may have a base"),
    ),
    [],
  ),
  capacity: v.optional(
    v.strictObject({
      cpu: v.optional(quantity, "20"),
      memory: v.optional(quantity, "40Gi"),
      "ephemeral-storage": v.optional(quantity, "40Gi"),
      pods: v.optional(quantity, "20"),
    }),
    {},
  ),
  logs: v.optional(
    v.strictObject({
      group: v.pipe(v.string(), v.regex(/^[\w./#-]{1,512}$/, "must be the name of a log group")),
      createGroup: v.optional(v.boolean(), false),
    }),
  ),
  exec: v.optional(v.boolean()),
  helperImage: v.optional(v.string(), ""),
  updateVolumes: v.optional(v.boolean(), true),
  secrets: v.optional(
    v.strictObject({
      prefix: v.optional(
        v.pipe(v.string(), v.regex(/^[\w/+=.@-]{1,200}$/, "must be letters, digits and /_+=.@-, at most 200")),
        "virtual-kubelet",
      ),
      kmsKeyID: v.optional(v.string(), ""),
    }),
    {},
  ),
  stats: v.optional(v.boolean(), true),
  events: v.optional(v.strictObject({ queueURL: url })),
  tags: v.optional(
    v.record(
      v.pipe(
        v.string(),
        v.regex(
          /^(?!aws:)(?!virtual-kubelet\.io\/)[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/iu,
          "must be a tag's key, not of aws: or virtual-kubelet.io/",
        ),
      ),
      v.pipe(
        v.string(),
        v.regex(
          /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u,
          "must be a tag's value: at most 256 letters, digits, spaces and _.:/=+-@",
        ),
      ),
    ),
    {},
  ),
  taskDefinitions: v.optional(v.strictObject({ keepUnusedSeconds: v.optional(whole, 3600) }), {}),
  adoptGoTasks: v.optional(v.boolean(), true),
  credentials: v.optional(credentials, { type: "default" }),
  endpoints: v.optional(
    v.strictObject({
      ecs: v.optional(url),
      logs: v.optional(url),
      secretsManager: v.optional(url),
      cloudWatch: v.optional(url),
      sqs: v.optional(url),
      sts: v.optional(url),
    }),
    {},
  ),
  callLimits: v.optional(
    v.record(
      v.pipe(v.string(), v.regex(/^[A-Z]\w+$/, "must be an operation like RunTask")),
      v.strictObject({
        perSecond: v.pipe(v.number("must be a number"), v.minValue(0.01, "must be at least 0.01")),
        burst: v.pipe(v.number("must be a number"), v.minValue(1, "must be at least 1")),
      }),
    ),
    {},
  ),
});

/** Of an object that has a region. */
export const configSchema: v.GenericSchema<unknown, FargateConfig> = v.pipe(
  schema,
  v.forward(
    v.check(
      ({ logs, executionRoleARN }) => logs === undefined || executionRoleARN !== "",
      "is required with logs: it is what writes them",
    ),
    ["executionRoleARN"],
  ),
  v.forward(
    v.check(
      ({ exec, taskRoles }) => exec !== true || taskRoles.default !== "",
      "exec needs a task role that may use ssmmessages",
    ),
    ["taskRoles"],
  ),
  v.transform((config) => ({ ...config, exec: config.exec ?? config.taskRoles.default !== "" })),
);
