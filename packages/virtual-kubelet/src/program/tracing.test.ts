// Spans as an OTLP receiver gets them, and where traces go by configuration and environment.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { describe, test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { silentLogger } from "../log.ts";
import { span } from "../trace.ts";
import { type Config, processDefaults } from "./config.ts";
import { createLogger } from "./logging.ts";
import { planTracing } from "./trace-target.ts";
import { startTracing } from "./tracing.ts";

interface SentSpan {
  readonly name: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly status?: { readonly code?: number; readonly message?: string };
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue?: string } }[];
}
interface Sent {
  readonly resourceSpans: readonly {
    readonly resource: { readonly attributes: SentSpan["attributes"] };
    readonly scopeSpans: readonly { readonly spans: readonly SentSpan[] }[];
  }[];
}

interface Received {
  readonly spans: SentSpan[];
  readonly resource: Map<string, string | undefined>;
  readonly authorization: string | undefined;
}

/** Does `work` with tracing on, and answers what the receiver got by the end of it. */
async function traced(tracing: Partial<Config["tracing"]>, work: () => Promise<void>): Promise<Received> {
  const spans: SentSpan[] = [];
  const resource = new Map<string, string | undefined>();
  let authorization: string | undefined;
  const receiver = createServer((request, response) => {
    authorization = request.headers.authorization;
    void text(request).then((body) => {
      const sent: Sent = JSON.parse(body);
      for (const { resource: about, scopeSpans } of sent.resourceSpans) {
        for (const { key, value } of about.attributes) resource.set(key, value.stringValue);
        for (const scope of scopeSpans) spans.push(...scope.spans);
      }
      response.writeHead(200, { "Content-Type": "application/json" }).end("{}");
    });
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => receiver.once("listening", resolve));
  const address = receiver.address();
  assert.ok(typeof address === "object" && address !== null);
  const endpoint = `http://127.0.0.1:${address.port}/v1/traces`;
  try {
    const { target } = planTracing(
      { ...processDefaults.tracing, exporters: ["jaeger"], endpoint },
      { JAEGER_USER: "u", JAEGER_PASSWORD: "p" },
    );
    assert.ok(target !== undefined);
    await using _on = await startTracing({
      tracing: { ...processDefaults.tracing, ...tracing },
      target,
      version: "1.2.3",
      log: silentLogger,
    });
    await work();
  } finally {
    receiver.close();
    receiver.closeAllConnections();
  }
  return { spans, resource, authorization };
}

async function call(): Promise<void> {
  await span("provider.createPod", { "k8s.node.name": "vk-0", absent: undefined }, async () => {
    await new Promise(setImmediate);
    await span("kube.patch", {}, () => Promise.resolve());
  });
  const failing = span("provider.getPods", {}, () => Promise.reject(new VirtualKubeletError("Quota", "full")));
  await assert.rejects(failing, { kind: "Quota" });
}

test("spans arrive with attributes, parents, failures and the resource", async () => {
  const { spans, resource, authorization } = await traced({ serviceName: "svc", tags: { region: "eu" } }, call);
  const byName = new Map(spans.map((one) => [one.name, one]));
  assert.deepEqual([...byName.keys()].sort(), ["kube.patch", "provider.createPod", "provider.getPods"]);
  const outer = byName.get("provider.createPod");
  assert.deepEqual(outer?.attributes, [{ key: "k8s.node.name", value: { stringValue: "vk-0" } }]);
  assert.equal(byName.get("kube.patch")?.parentSpanId, outer?.spanId);
  assert.deepEqual(byName.get("provider.getPods")?.status, { code: 2, message: "full" });
  assert.deepEqual(
    [resource.get("service.name"), resource.get("service.version"), resource.get("region")],
    ["svc", "1.2.3", "eu"],
  );
  assert.equal(authorization, `Basic ${Buffer.from("u:p").toString("base64")}`);
});

test("credentials in the text of an error are not sent", async () => {
  const refused = new VirtualKubeletError("Unauthorized", "https://user:s3cret@example.com: bearer s3cret-token-x");
  const { spans } = await traced({}, () => assert.rejects(span("kube.get", {}, () => Promise.reject(refused))));
  assert.equal(spans[0]?.status?.message, "https://user:[redacted]@example.com: bearer [redacted]");
});

test("lines of the log lead to the span in which they were written", async () => {
  const lines: string[] = [];
  const stream = { write: (line: string) => lines.push(line) };
  const log = createLogger({ level: "info", format: "json", stream }).child({ node: "n" });
  const { spans } = await traced({}, async () => {
    log.info({}, "outside");
    await span("provider.createPod", {}, async () => log.info({ pod: "default/web" }, "inside"));
  });
  log.info({}, "after");
  const [outside, inside, after] = lines.map((line) => JSON.parse(line));
  assert.equal(inside.span_id, spans[0]?.spanId);
  assert.match(inside.trace_id, /^[0-9a-f]{32}$/);
  assert.equal(inside.node, "n");
  for (const line of [outside, after]) assert.ok(!("trace_id" in line), JSON.stringify(line));
});

test("nothing is sent at a sample ratio of 0, nor after the end", async () => {
  assert.deepEqual((await traced({ sampleRatio: 0 }, call)).spans, []);
  await call();
});

describe("where traces go", () => {
  const cases: readonly (readonly [string, Partial<Config["tracing"]>, Readonly<Record<string, string>>, object])[] = [
    ["nowhere", {}, {}, { notices: [] }],
    ["the standard variables", { exporters: ["otlp"] }, {}, { target: {}, notices: [] }],
    [
      "an endpoint",
      { exporters: ["otlp"], endpoint: "http://h/x" },
      {},
      { target: { url: "http://h/x" }, notices: [] },
    ],
    [
      "Jaeger's collector",
      { exporters: ["jaeger"] },
      { JAEGER_COLLECTOR_ENDPOINT: "https://jaeger:14268/api/traces" },
      {
        target: { url: "https://jaeger:4318/v1/traces" },
        notices: ["the trace exporter jaeger is sent OTLP over HTTP at https://jaeger:4318/v1/traces"],
      },
    ],
    [
      "Jaeger's agent",
      { exporters: ["jaeger"] },
      { JAEGER_AGENT_ENDPOINT: "agent:6831" },
      {
        target: { url: "http://agent:4318/v1/traces" },
        notices: ["the trace exporter jaeger is sent OTLP over HTTP at http://agent:4318/v1/traces"],
      },
    ],
    [
      "ocagent",
      { exporters: ["ocagent"] },
      { OCAGENT_ENDPOINT: "oc:55678", OCAGENT_INSECURE: "yes" },
      {
        target: { url: "http://oc:4318/v1/traces" },
        notices: ["the trace exporter ocagent is sent OTLP over HTTP at http://oc:4318/v1/traces"],
      },
    ],
    ["zpages", { exporters: ["zpages"] }, {}, { notices: ["the trace exporter zpages has no effect: use otlp"] }],
    [
      "variables of an exporter that is off",
      {},
      { ZPAGES_PORT: "1", OCAGENT_ENDPOINT: "x" },
      { notices: ["OCAGENT_ENDPOINT, ZPAGES_PORT without effect: no trace exporter is configured"] },
    ],
    [
      "the first of two",
      { exporters: ["otlp", "jaeger"] },
      {},
      { target: {}, notices: ["one trace exporter is used: otlp; jaeger has no effect"] },
    ],
  ];
  for (const [name, tracing, env, expected] of cases) {
    test(name, () => assert.deepEqual(planTracing({ ...processDefaults.tracing, ...tracing }, env), expected));
  }
});
