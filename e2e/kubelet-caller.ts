// Requests straight to a kubelet API over HTTPS, as anybody on its network can make them.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { request } from "node:https";
import { nodes } from "../packages/virtual-kubelet/src/kube/resource.ts";
import type { Harness } from "./harness.ts";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface Call {
  /** Default GET. */
  readonly method?: string | undefined;
  /** Of a ServiceAccount. */
  readonly token?: string | undefined;
  /** PEM, with the key of a client certificate. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  /** TLS server name; default none. */
  readonly serverName?: string | undefined;
  /** Of the Host header; default the address. */
  readonly host?: string | undefined;
}

export interface Answer {
  readonly status: number;
  readonly type: string;
  readonly allow: string | undefined;
  readonly body: string;
}

/** Where a node's kubelet API is, by its status. */
export async function endpointOf(harness: Harness, node: string): Promise<Endpoint> {
  const { status } = await harness.client.get(nodes, { name: node });
  const host = status?.addresses?.find(({ type }) => type === "InternalIP")?.address;
  const port = status?.daemonEndpoints?.kubeletEndpoint?.Port;
  assert.ok(host !== undefined && port !== undefined, JSON.stringify(status));
  return { host, port };
}

/** On a connection of its own, whatever certificate is shown. */
export function callKubelet({ host, port }: Endpoint, path: string, call: Call = {}): Promise<Answer> {
  const { method = "GET", token, cert, key, serverName } = call;
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const options = {
    host,
    port,
    path,
    method,
    agent: false,
    rejectUnauthorized: false,
    servername: serverName ?? "",
    timeout: 120_000,
    headers: {
      ...(token === undefined ? {} : { Authorization: `Bearer ${token}` }),
      ...(call.host === undefined ? {} : { Host: call.host }),
    },
    ...(cert === undefined ? {} : { cert, key }),
  };
  request(options, (response) => {
    let body = "";
    response.setEncoding("utf8").on("data", (part: string) => {
      body += part;
    });
    const { "content-type": type = "", allow } = response.headers;
    response.once("end", () => resolve({ status: response.statusCode ?? 0, type, allow, body })).once("error", reject);
  })
    .once("timeout", () => reject(new Error(`${method} ${path}: no answer in time`)))
    .once("error", reject)
    .end();
  return promise;
}

/** A client certificate of the cluster's authority for this user. */
export async function clientCertificate(harness: Harness, user: string, groups: readonly string[] = []): Promise<Call> {
  const config = await readFile(await harness.cluster.kubeconfigFor(user, groups), "utf8");
  const data = (name: string): string => {
    const found = new RegExp(`${name}"?: "?([^"\\s]+)`).exec(config)?.[1];
    assert.ok(found !== undefined);
    return Buffer.from(found, "base64").toString();
  };
  return { cert: data("client-certificate-data"), key: data("client-key-data") };
}

/** A ServiceAccount of the namespace default that has a ClusterRole, or one `test-<name>` of these rules of the core group. */
export function serviceAccountWith(name: string, role: string | readonly object[]): readonly object[] {
  const apiVersion = "rbac.authorization.k8s.io/v1";
  const roleName = typeof role === "string" ? role : `test-${name}`;
  return [
    { apiVersion: "v1", kind: "ServiceAccount", metadata: { name, namespace: "default" } },
    ...(typeof role === "string"
      ? []
      : [
          {
            apiVersion,
            kind: "ClusterRole",
            metadata: { name: roleName },
            rules: role.map((rule) => ({ apiGroups: [""], ...rule })),
          },
        ]),
    {
      apiVersion,
      kind: "ClusterRoleBinding",
      metadata: { name: `test-${name}` },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: roleName },
      subjects: [{ kind: "ServiceAccount", namespace: "default", name }],
    },
  ];
}
