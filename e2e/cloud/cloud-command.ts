// What `az rest` and `aws` do for the scripts in deploy/check, on the fakes of clouds: prints what a query finds in an answer.
// FAKE_CLOUD: the provider's configuration.
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
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

/** `a.b[0].c`: as much of JMESPath as the scripts use. */
function found(value: unknown, query: string): unknown {
  return query
    .split(/\.|\[|\]\.?/)
    .reduce<unknown>(
      (at, key) => (key === "" ? at : typeof at === "object" && at !== null ? Reflect.get(at, key) : undefined),
      value,
    );
}

const [program, first] = positionals;
try {
  console.log(String(found(await (program === "az" ? azure() : aws(first)), values.query ?? "") ?? "None"));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
