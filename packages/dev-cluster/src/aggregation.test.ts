// An API server that is registered: who asks it, what discovery says of it, and what becomes of it when it does not answer.
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingHttpHeaders } from "node:http";
import { createServer, type Server } from "node:https";
import { after, before, test } from "node:test";
import { TLSSocket } from "node:tls";
import { Authority } from "./certificates.ts";
import { type DevCluster, startDevCluster } from "./dev-cluster.ts";
import { type Json, list, object, text } from "./json.ts";
import { ApiCaller, eventually } from "./testing/api-caller.ts";

const asked: { readonly url: string; readonly headers: IncomingHttpHeaders; readonly by: string }[] = [];
let cluster: DevCluster;
let api: ApiCaller;
let other: Server;
let authority: Authority;
let frontProxyCa = "";

before(async () => {
  cluster = await startDevCluster({ controllers: false });
  api = new ApiCaller(cluster);
  authority = await Authority.make(Date.now());
  const { body } = await api.get("/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication");
  frontProxyCa = text(body, "data", "requestheader-client-ca-file");
  const shown = await authority.issue(
    { user: "things", usages: ["server"], dnsNames: ["things.default.svc"] },
    Date.now(),
  );
  const tls = {
    cert: shown.certificate,
    key: shown.key,
    ca: frontProxyCa,
    requestCert: true,
    rejectUnauthorized: false,
  };
  other = createServer(tls, (request, response) => {
    const { socket } = request;
    const by =
      socket instanceof TLSSocket && socket.authorized ? `${socket.getPeerCertificate().subject.CN}` : "nobody";
    asked.push({ url: request.url ?? "", headers: request.headers, by });
    const resources = [
      { name: "things", singularName: "thing", namespaced: true, kind: "Thing", verbs: ["get", "list"] },
    ];
    response.setHeader("content-type", "application/json");
    response.end(
      JSON.stringify(request.url === "/apis/example.com/v1" ? { resources } : { kind: "ThingList", items: [] }),
    );
  });
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
});
after(async () => {
  other?.close();
  await cluster?.stop();
});

const things = "/apis/example.com/v1/namespaces/default/things";

function register(more: Json): Promise<unknown> {
  return api.post("/apis/apiregistration.k8s.io/v1/apiservices", {
    metadata: { name: "v1.example.com" },
    spec: {
      group: "example.com",
      version: "v1",
      groupPriorityMinimum: 100,
      versionPriority: 100,
      service: { name: "things", namespace: "default", port: 443 },
      ...object(more),
    },
  });
}

/** Once it is so. */
function untilAvailable(status: string): Promise<string> {
  return eventually(`available: ${status}`, async () => {
    const { body } = await api.get("/apis/apiregistration.k8s.io/v1/apiservices/v1.example.com");
    const [condition] = list(body, "status", "conditions");
    return text(condition, "status") === status
      ? `${text(condition, "reason")}: ${text(condition, "message")}`
      : undefined;
  });
}

test("what a server has by itself is registered, too, and always there", async () => {
  await eventually("all are available", async () => {
    const { body } = await api.get("/apis/apiregistration.k8s.io/v1/apiservices");
    const services = list(body, "items");
    const words = services.map((each) => text(list(each, "status", "conditions")[0], "reason"));
    return services.length > 15 && words.every((word) => word === "Local") ? true : undefined;
  });
});

test("a version whose service is not there is not available", async () => {
  await register({ caBundle: Buffer.from(authority.certificate).toString("base64") });
  assert.equal(await untilAvailable("False"), 'ServiceNotFound: service/things in "default" is not present');
  const { code, body } = await api.get(things);
  assert.deepEqual([code, text(body, "reason")], [503, "ServiceUnavailable"]);
});

test("one that answers is told who asks, by this server alone, and is listed", async () => {
  const address = other.address();
  assert.ok(typeof address === "object" && address !== null);
  const subset = { addresses: [{ ip: "127.0.0.1" }], ports: [{ port: address.port }] };
  const core = "/api/v1/namespaces/default";
  await api.post(`${core}/services`, { metadata: { name: "things" }, spec: { ports: [{ port: 443 }] } });
  await api.post(`${core}/endpoints`, { metadata: { name: "things" }, subsets: [subset] });
  assert.equal(await untilAvailable("True"), "Passed: all checks passed");

  const headers = {
    "impersonate-user": "jane",
    "impersonate-group": "system:masters",
    "x-remote-user": "system:admin",
  };
  const { code, body } = await api.get(`${things}?limit=5`, { headers });
  assert.deepEqual([code, text(body, "kind")], [200, "ThingList"]);
  // Whether it answers is asked as well, at any time.
  const asks = asked.filter(({ url }) => url === `${things}?limit=5`);
  assert.deepEqual(
    asks.map(({ by }) => by),
    ["front-proxy-client"],
  );
  const said = Object.entries(asks[0]?.headers ?? {}).filter(([name]) =>
    /^x-remote|^impersonate|^authorization/.test(name),
  );
  assert.deepEqual(said, [
    ["x-remote-user", "jane"],
    ["x-remote-group", "system:masters, system:authenticated"],
  ]);

  const nobody = new ApiCaller(cluster, await cluster.kubeconfigFor("nobody"));
  assert.equal((await nobody.get(things)).code, 403);
  const groups = await api.get("/apis");
  assert.ok(list(groups.body, "groups").some((group) => text(group, "name") === "example.com"));
  const aggregated = await api.get("/apis", {
    accept: "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
  });
  const found = list(aggregated.body, "items").find((item) => text(item, "metadata", "name") === "example.com");
  assert.equal(text(list(list(found, "versions")[0], "resources")[0], "resource"), "things");
});

test("a certificate by nobody known is not taken", async () => {
  await api.patch("/apis/apiregistration.k8s.io/v1/apiservices/v1.example.com", { spec: { caBundle: null } });
  assert.match(await untilAvailable("False"), /^FailedDiscoveryCheck: .*failed to verify certificate/);
  await api.patch("/apis/apiregistration.k8s.io/v1/apiservices/v1.example.com", {
    spec: { insecureSkipTLSVerify: true },
  });
  assert.equal(await untilAvailable("True"), "Passed: all checks passed");
  await api.delete("/apis/apiregistration.k8s.io/v1/apiservices/v1.example.com");
  assert.equal((await api.get(things)).code, 404);
});
