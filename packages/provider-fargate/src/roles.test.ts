// Which role a pod's task has.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { taskRole } from "./roles.ts";

const arn = (name: string): string => `arn:aws:iam::123456789012:role/${name}`;
const config = { taskRoles: { default: arn("pods"), allowed: [arn("team-*")] } };

function roleOf({
  annotations = {},
  env = {},
}: {
  annotations?: Record<string, string>;
  env?: Record<string, string>;
}) {
  const all = Object.entries(env).map(([name, value]) => ({ name, value }));
  const containers = [{ name: "first" }, { name: "web", env: all }];
  const pod = { metadata: { annotations }, spec: { containers } };
  const found = taskRole(pod, undefined, config);
  const resolved = {
    containers: [{ name: "web", image: "", imagePullPolicy: "Always" as const, env: all, mounts: [] }],
  };
  assert.deepEqual(taskRole(pod, resolved, config), found, "before it is resolved as after");
  return found;
}

describe("the role of a task", () => {
  it("is the default one, or an allowed one that the pod or its ServiceAccount names", () => {
    assert.equal(roleOf({}).role, arn("pods"));
    assert.equal(roleOf({ annotations: { "iam.amazonaws.com/role": arn("team-a") } }).role, arn("team-a"));
    assert.equal(roleOf({ annotations: { "eks.amazonaws.com/role-arn": arn("team-b") } }).role, arn("team-b"));
    assert.equal(roleOf({ env: { AWS_ROLE_ARN: arn("team-c") } }).role, arn("team-c"));
    const both = { annotations: { "iam.amazonaws.com/role": arn("team-a") }, env: { AWS_ROLE_ARN: arn("team-c") } };
    assert.equal(roleOf(both).role, arn("team-a"));
  });

  it("is refused where pods may not name it, with the place", () => {
    const refused = (given: Parameters<typeof roleOf>[0], field: RegExp): void =>
      assert.throws(() => roleOf(given), { kind: "Unsupported", field });
    refused({ annotations: { "iam.amazonaws.com/role": arn("admin") } }, /iam\.amazonaws\.com\/role/);
    refused({ env: { AWS_ROLE_ARN: arn("admin") } }, /AWS_ROLE_ARN/);
  });

  it("stays the default one beside a token that the webhook brought, and that is told", () => {
    const env = { AWS_ROLE_ARN: arn("admin"), AWS_WEB_IDENTITY_TOKEN_FILE: "/var/run/secrets/token" };
    const { role, notes } = roleOf({ env });
    assert.equal(role, arn("pods"));
    assert.deepEqual(
      notes.map(({ reason }) => reason),
      ["RoleByToken"],
    );
    assert.throws(() => roleOf({ env, annotations: { "iam.amazonaws.com/role": arn("admin") } }), {
      kind: "Unsupported",
    });
  });
});
