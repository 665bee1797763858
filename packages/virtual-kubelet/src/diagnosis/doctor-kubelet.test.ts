// What `doctor` says of certificates that wait for approval, and of metrics-server: over what the API server answers.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import type { KubeObject, Resource, Stored } from "../kube/resource.ts";
import { isStored } from "../kube/stored.ts";
import { loadConfig } from "../program/load-config.ts";
import { scriptedClient } from "../testing/scripted-client.ts";
import { checkApproval } from "./doctor-approval.ts";
import type { NodeContext, Outcome } from "./doctor-check.ts";
import { PortCheck } from "./doctor-endpoint.ts";
import { checkMetrics, metricsServerFault } from "./doctor-metrics.ts";

const now = Date.parse("2026-01-01T00:01:00Z");
const meta = { name: "vk", uid: "u", resourceVersion: "1" };

async function contextOf(client: KubeClient, ...flags: readonly string[]): Promise<NodeContext> {
  const { config } = await loadConfig({ argv: ["--provider=mock", "--nodename=vk", ...flags], env: {}, cwd: "/" });
  const [node] = config.nodes;
  assert.ok(node !== undefined);
  return {
    ...{ config, node, client, user: "admin", now: () => now, ports: new PortCheck() },
    lease: { metadata: meta, spec: { renewTime: new Date(now).toISOString() } },
  };
}

/** Like the subject of a request: a string of DER. */
const requestFor = (node: string): string => {
  const name = `system:node:${node}`;
  const der = Buffer.concat([Buffer.from([0x0c, name.length]), Buffer.from(name), Buffer.from([0x30, 0x59])]);
  const pem = `-----BEGIN CERTIFICATE REQUEST-----\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----\n`;
  return Buffer.from(pem).toString("base64");
};

describe("approval of serving certificates", () => {
  const requests = (...all: readonly Readonly<Record<string, unknown>>[]): KubeClient =>
    scriptedClient({
      list: <T extends KubeObject>(of: Resource<T>) => {
        const items: Stored<T>[] = [];
        for (const [index, fields] of all.entries()) {
          const creationTimestamp = new Date(now - 30_000 + index).toISOString();
          const item: unknown = {
            metadata: { ...meta, name: `csr-${index}`, creationTimestamp },
            spec: { request: requestFor("vk") },
            ...fields,
          };
          if (isStored<T>(item, of)) items.push(item);
        }
        return Promise.resolve({ items, resourceVersion: "1" });
      },
    });
  const withCondition = (type: string): Readonly<Record<string, unknown>> => ({
    status: { conditions: [{ type, status: "True" }] },
  });
  const issued = { status: { certificate: "Y2VydA==", conditions: [{ type: "Approved", status: "True" }] } };
  const cases: readonly [string, KubeClient, Outcome, RegExp, RegExp][] = [
    ["none yet", requests(), "skip", /nothing is asked/, /must/],
    ["of others alone", requests({ spec: { request: requestFor("vk-2") } }), "skip", /nothing is asked/, /must/],
    ["waits", requests({}), "fail", /csr-0 waits for approval since 30 s/, /kubectl certificate approve csr-0/],
    [
      "waits a little",
      requests({ metadata: { ...meta, name: "csr-new", creationTimestamp: new Date(now - 5000).toISOString() } }),
      "warn",
      /csr-new waits for approval since 5 s/,
      /kubectl certificate approve csr-new/,
    ],
    ["the newest counts", requests({}, issued), "ok", /csr-1 was approved and signed/, /^$/],
    ["not signed", requests(withCondition("Approved")), "fail", /not signed/, /--cluster-signing-cert-file/],
    ["denied", requests(withCondition("Denied")), "fail", /was denied/, /describe csr/],
  ];
  for (const [name, client, status, message, fix] of cases)
    test(name, async () => {
      const found = await checkApproval(await contextOf(client, "--server-tls-bootstrap", "--cert-dir=/certs"));
      assert.equal(found.status, status, found.message);
      assert.match(found.message, message);
      assert.match(found.fix ?? "", fix);
    });
  test("not asked for", async () =>
    assert.equal((await checkApproval(await contextOf(scriptedClient({})))).status, "ok"));
});

describe("metrics-server", () => {
  const service = (status: string): unknown => ({
    status: { conditions: [{ type: "Available", status, message: "no endpoints" }] },
  });
  const answers = (apiService: unknown, metrics: unknown): KubeClient =>
    scriptedClient({
      getRaw: (path) => {
        const answer = path.includes("apiregistration") ? apiService : metrics;
        return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
      },
    });
  const error = (kind: VirtualKubeletError["kind"]): VirtualKubeletError => new VirtualKubeletError(kind, "said no");
  const cases: readonly [string, KubeClient, Outcome, RegExp][] = [
    ["not installed", answers(error("NotFound"), error("NotFound")), "warn", /not installed/],
    ["of a development cluster", answers(error("NotFound"), {}), "ok", /has figures/],
    ["not available", answers(service("False"), {}), "warn", /not available: no endpoints/],
    ["not to be looked at", answers(error("Forbidden"), {}), "ok", /has figures/],
    ["no figures", answers(service("True"), error("NotFound")), "warn", /no figures of the node: said no/],
    ["figures", answers(service("True"), {}), "ok", /has figures/],
  ];
  for (const [name, client, status, message] of cases)
    test(name, async () => {
      const found = (await metricsServerFault(client)) ?? (await checkMetrics(await contextOf(client)));
      assert.equal(found.status, status, found.message);
      assert.match(found.message, message);
    });
});
