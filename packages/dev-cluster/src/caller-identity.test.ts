// Who a caller is follows its own connection, not a port number that others may have as well.
import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { request } from "node:https";
import { test } from "node:test";
import { connect } from "node:tls";
import { startDevCluster } from "./dev-cluster.ts";
import { list, parseJson, text } from "./json.ts";

test("another address of loopback with the port of the administrator is nobody", async () => {
  await using cluster = await startDevCluster({ controllers: false });
  const [user] = list(parseJson(readFileSync(cluster.kubeconfig, "utf8")), "users");
  const decode = (field: string): string => Buffer.from(text(user, "user", field), "base64").toString();
  const { hostname: host, port } = new URL(cluster.server);
  const administrator = connect({
    host,
    port: Number(port),
    ca: cluster.ca,
    cert: decode("client-certificate-data"),
    key: decode("client-key-data"),
  });
  await once(administrator, "secureConnect");
  administrator.write("GET /api/v1/secrets HTTP/1.1\r\nHost: localhost\r\n\r\n");
  const [first] = await once(administrator, "data");
  assert.match(String(first), /^HTTP\/1\.1 200 /);

  const { localPort } = administrator;
  assert.ok(localPort !== undefined);
  const other = request(`${cluster.server}/api/v1/secrets`, {
    ca: cluster.ca,
    localAddress: "127.0.0.2",
    localPort,
    agent: false,
  });
  other.end();
  const [response] = await once(other, "response");
  response.resume();
  assert.equal(response.statusCode, 403);
  administrator.destroy();
});
