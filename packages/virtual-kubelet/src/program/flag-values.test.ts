// The flags as /flagz shows them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { processDefaults } from "./config.ts";
import { flagValues } from "./flag-values.ts";

test("flags of the process have their values, durations in their own form, and no credentials", () => {
  const endpoint = "http://user:hunter2@127.0.0.1:4318/v1/traces";
  const tracing = { ...processDefaults.tracing, endpoint, tags: { zone: "a", rack: "7" } };
  const values = flagValues({ ...processDefaults, kubeconfig: "/etc/kubeconfig", tracing, nodes: [] });
  assert.equal(values["kubeconfig"], "/etc/kubeconfig");
  assert.equal(values["stream-idle-timeout"], "4h");
  assert.equal(values["pod-sync-workers"], "10");
  assert.equal(values["kubelet-api"], "true");
  assert.equal(values["trace-tag"], "zone=a,rack=7");
  assert.match(values["trace-endpoint"] ?? "", /^http:\/\/user:/);
  assert.ok(!JSON.stringify(values).includes("hunter2"));
  assert.equal(values["tls-cert-file"], undefined);
  assert.equal(values["nodename"], undefined);
});
