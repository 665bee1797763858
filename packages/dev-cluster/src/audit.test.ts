import assert from "node:assert/strict";
import { test } from "node:test";
import type { AuditEvent } from "./audit.ts";
import { startDevCluster } from "./dev-cluster.ts";
import { ApiCaller } from "./testing/api-caller.ts";

test("each request is told of once, with who asked what, and how it was answered", async () => {
  const told: AuditEvent[] = [];
  await using cluster = await startDevCluster({ controllers: false, audit: (event) => told.push(event) });
  const api = new ApiCaller(cluster);
  const nobody = new ApiCaller(cluster, await cluster.kubeconfigFor("nobody"));
  const maps = "/api/v1/namespaces/default/configmaps";
  await api.post(maps, { metadata: { generateName: "made-" } });
  await api.get(`${maps}/none`, { headers: { "impersonate-user": "system:node:n", "user-agent": "test" } });
  await nobody.get("/apis/apps/v1/deployments");
  const end = new AbortController();
  for await (const _ of api.watch(`${maps}?watch=true&timeoutSeconds=1`, end.signal)) end.abort();
  await nobody.get("/version");
  const shown = told.map(({ user, impersonatedUser, verb, objectRef: ref, requestURI, responseStatus: { code } }) =>
    [
      impersonatedUser?.username ?? user.username,
      verb,
      ref === undefined ? requestURI : [ref.apiGroup, ref.apiVersion, ref.resource, ref.namespace, ref.name].join(" "),
      code,
    ].join(" "),
  );
  const made = told[0]?.objectRef?.name ?? "";
  assert.match(made, /^made-/);
  assert.deepEqual(
    shown.filter((line) => !line.includes(" watch ")),
    [
      `kubernetes-admin create  v1 configmaps default ${made} 201`,
      "system:node:n get  v1 configmaps default none 403",
      "nobody list apps v1 deployments   403",
      "nobody get /version 200",
    ],
  );
  assert.equal(told[1]?.userAgent, "test");
});
