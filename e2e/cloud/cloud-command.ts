// What `az rest`, `aws` and `aliyun` do for the scripts in deploy/check, on the fakes of clouds: prints what a query finds in an answer.
// FAKE_CLOUD: the provider's configuration.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import * as eci from "@alicloud/eci20180808";
import { Config } from "@alicloud/openapi-client";
import { CloudWatchLogs } from "@aws-sdk/client-cloudwatch-logs";
import { ECS } from "@aws-sdk/client-ecs";
import * as v from "valibot";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  strict: true,
  options: {
    ...{ method: { type: "string" }, url: { type: "string" }, query: { type: "string" }, output: { type: "string" } },
    ...{ cluster: { type: "string" }, tasks: { type: "string" }, "start-from-head": { type: "boolean" } },
    ...{ "log-group-name": { type: "string" }, "log-stream-name": { type: "string" } },
    ...{ RegionId: { type: "string" }, ContainerGroupIds: { type: "string" }, "cli-query": { type: "string" } },
    ...{ ContainerGroupId: { type: "string" }, ContainerName: { type: "string" } },
  },
});
const text = v.string();
const given: unknown = JSON.parse(process.env["FAKE_CLOUD"] ?? "");

const azureConfig = v.object({
  credentials: v.object({ tenantID: text, clientID: text, clientSecretFile: text }),
  endpoints: v.object({ resourceManager: text, authority: text }),
});

async function azure(): Promise<unknown> {
  const { credentials, endpoints } = v.parse(azureConfig, given);
  const login = await fetch(`${endpoints.authority}/${credentials.tenantID}/oauth2/v2.0/token`, {
    method: "POST",
    body: new URLSearchParams({
      ...{ grant_type: "client_credentials", client_id: credentials.clientID },
      ...{ client_secret: readFileSync(credentials.clientSecretFile, "utf8") },
      scope: "https://management.azure.com/.default",
    }),
  });
  const { access_token: token } = v.parse(v.object({ access_token: text }), await login.json());
  const url = `${endpoints.resourceManager}${values.url}`;
  const answer = await fetch(url, { method: "GET", headers: { authorization: `Bearer ${token}` } });
  const body = await answer.text();
  if (!answer.ok) throw new Error(body);
  return JSON.parse(body);
}

const awsConfig = v.object({ region: text, endpoints: v.object({ ecs: text, logs: text }) });

async function aws(service: string | undefined): Promise<unknown> {
  const { region, endpoints } = v.parse(awsConfig, given);
  if (service === "ecs")
    return new ECS({ region, endpoint: endpoints.ecs }).describeTasks({
      cluster: values.cluster,
      tasks: [values.tasks ?? ""],
    });
  return new CloudWatchLogs({ region, endpoint: endpoints.logs }).getLogEvents({
    ...{ logGroupName: values["log-group-name"], logStreamName: values["log-stream-name"] },
    startFromHead: values["start-from-head"],
  });
}

const eciConfig = v.object({
  endpoint: text,
  credentials: v.object({ accessKeyIDFile: text, secretFile: text, tokenFile: text }),
});

async function aliyun(operation: string | undefined): Promise<unknown> {
  const { endpoint, credentials } = v.parse(eciConfig, given);
  const [accessKeyId, accessKeySecret, securityToken] = [
    ...[credentials.accessKeyIDFile, credentials.secretFile, credentials.tokenFile],
  ].map((file) => readFileSync(file, "utf8"));
  const { host } = new URL(endpoint);
  const client = new eci.default.default(
    new Config({ accessKeyId, accessKeySecret, securityToken, endpoint: host, protocol: "HTTPS" }),
  );
  const { RegionId: regionId, ContainerGroupIds: containerGroupIds } = values;
  const { ContainerGroupId: containerGroupId, ContainerName: containerName } = values;
  const { body } =
    operation === "DescribeContainerLog"
      ? await client.describeContainerLog(
          new eci.DescribeContainerLogRequest({ regionId, containerGroupId, containerName }),
        )
      : await client.describeContainerGroups(new eci.DescribeContainerGroupsRequest({ regionId, containerGroupIds }));
  return body?.toMap();
}

/** `a.b[0].c`: as much of JMESPath as the scripts use. */
function found(value: unknown, query: string): unknown {
  return query
    .split(/\.|\[|\]\.?/)
    .reduce<unknown>(
      (at, key) => (key === "" ? at : typeof at === "object" && at !== null ? Reflect.get(at, key) : undefined),
      value,
    );
}

const [program, first, second] = positionals;
try {
  if (program === "aliyun") {
    // It says everything in JSON.
    console.log(JSON.stringify(found(await aliyun(second), values["cli-query"] ?? "") ?? null));
    process.exit();
  }
  console.log(String(found(await (program === "az" ? azure() : aws(first)), values.query ?? "") ?? "None"));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
