// The policies in deploy/policies allow what the providers of clouds ask for.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import * as v from "valibot";
import { rightsCheck } from "../../packages/provider-aci/src/check.ts";
import { awsSdk } from "../../packages/provider-fargate/src/aws-sdk.ts";
import { parseFargateConfig } from "../../packages/provider-fargate/src/config.ts";
import { systemClock } from "../../packages/virtual-kubelet/src/clock.ts";
import { silentLogger } from "../../packages/virtual-kubelet/src/log.ts";

const read = (name: string): unknown =>
  JSON.parse(readFileSync(join(import.meta.dirname, "../../deploy/policies", `${name}.json`), "utf8"));
const roleSchema = v.object({ Actions: v.array(v.string()) });
const policySchema = v.object({
  Version: v.literal("2012-10-17"),
  Statement: v.array(v.object({ Effect: v.literal("Allow"), Action: v.array(v.string()) })),
});

test("the role for ACI is all that doctor looks for", () => {
  const { Actions: actions } = v.parse(roleSchema, read("aci-role"));
  assert.deepEqual(rightsCheck([{ actions }]), {
    name: "rights",
    status: "ok",
    message: "all that container groups need",
  });
});

test("the policies for Fargate name each call of the provider, and no other", async () => {
  const config = parseFargateConfig({ region: "eu-west-1", network: { subnets: ["subnet-0123abcd"] } }, {});
  await using sdk = awsSdk({ config, clock: systemClock, log: silentLogger });
  const allowed = ["fargate-program", "fargate-options"].flatMap((name) =>
    v.parse(policySchema, read(name)).Statement.flatMap(({ Action: actions }) => actions),
  );
  // Of making something with tags, and of giving a role to a task.
  const implied = ["TagResource", "PassRole"];
  // Of one right for one message and for many.
  const renamed = new Map([["DeleteMessageBatch", "DeleteMessage"]]);
  const called = Object.keys(sdk)
    // What asks AWS for nothing.
    .filter((key) => key !== "budget" && key !== "isAnswered")
    .map((key) => key[0]?.toUpperCase() + key.slice(1))
    .map((operation) => renamed.get(operation) ?? operation);
  const names = allowed.map((action) => action.split(":")[1] ?? "");
  assert.deepEqual([...new Set([...names, ...implied])].sort(), [...new Set([...called, ...implied])].sort());
});

test("the policy for ECI names each call of the provider, and no other", () => {
  const policy = v.object({
    Version: v.literal("1"),
    Statement: v.array(v.object({ Effect: v.literal("Allow"), Action: v.array(v.string()) })),
  });
  const allowed = v.parse(policy, read("eci-program")).Statement.flatMap(({ Action: actions }) => actions);
  const client = readFileSync(join(import.meta.dirname, "../../packages/provider-eci/src/api/rest-client.ts"), "utf8");
  const called = [...client.matchAll(/#(?:ask|pages)\("(\w+)"/g)].map(([, action]) => `eci:${action}`);
  assert.deepEqual(allowed.toSorted(), [...new Set(called)].sort());
});

test("the policy for Nomad names what each call of the provider needs, and what volumes of CSI do", () => {
  const folder = join(import.meta.dirname, "../../packages/provider-nomad/src");
  const text = readFileSync(join(import.meta.dirname, "../../deploy/policies/nomad-program.hcl"), "utf8");
  const list = (block: string): readonly string[] => {
    const found = new RegExp(`${block}[^\\[]*\\[([^\\]]*)\\]`).exec(text)?.[1] ?? "";
    return [...found.replaceAll(/#.*/g, "").matchAll(/"([\w-]+)"/g)].map(([, name = ""]) => name);
  };
  const blocks = [...text.matchAll(/^(\w+) \{\n {2}policy = "(\w+)"/gm)].map(([, name, policy]) => `${name}:${policy}`);
  const variables = list('path "nomad/jobs/vk-\\*"').map((name) => `variables-${name}`);
  const allowed = [...list('namespace "kubernetes"'), ...variables, ...blocks];
  // What the fake asks of a token for the paths that the client calls; nothing asks for an agent's own settings but the client itself.
  const routes = ["client-routes", "server-routes", "event-route", "exec-sockets"]
    .map((name) => readFileSync(join(folder, `testing/fake-nomad/${name}.ts`), "utf8"))
    .join("\n");
  const needed = [...routes.matchAll(/capability: "([\w:-]+)"|check\([^,]+, "([\w:-]+)"\)/g)].map(
    ([, one, other]) => one ?? other ?? "",
  );
  const unused = new Set(["agent:read"]);
  assert.deepEqual(
    allowed.toSorted(),
    [...new Set([...needed.filter((name) => !unused.has(name)), "csi-mount-volume", "alloc-exec"])].sort(),
  );
});
