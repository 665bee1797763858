// Who is let in and what is allowed, asked of a real API server: with the rights of deploy/rbac.yaml and with those of a node.
import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { systemClock } from "../packages/virtual-kubelet/src/clock.ts";
import { isErrorKind } from "../packages/virtual-kubelet/src/errors.ts";
import type { KubeClient } from "../packages/virtual-kubelet/src/kube/client.ts";
import { connect } from "../packages/virtual-kubelet/src/kube/connect.ts";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import type { UserInfo } from "../packages/virtual-kubelet/src/server/access.ts";
import { accessAttributes } from "../packages/virtual-kubelet/src/server/access-attributes.ts";
import { createAuthenticator } from "../packages/virtual-kubelet/src/server/authentication.ts";
import { createAuthorizer } from "../packages/virtual-kubelet/src/server/authorization.ts";
import { eventually, type Harness, startHarness } from "./harness.ts";

const never = new AbortController().signal;
const account = "system:serviceaccount:default:";

/** ServiceAccounts, and what each is granted on `nodes`. */
const grants: Readonly<Record<string, readonly object[]>> = {
  nothing: [],
  pods: [{ resources: ["nodes/pods"], verbs: ["get"] }],
  healthz: [{ resources: ["nodes/healthz"], verbs: ["get"] }],
  configz: [{ resources: ["nodes/configz"], verbs: ["get"] }],
  metrics: [{ resources: ["nodes/metrics", "nodes/stats"], verbs: ["get"] }],
  log: [{ resources: ["nodes/log"], verbs: ["get"] }],
  "read-proxy": [{ resources: ["nodes/proxy"], verbs: ["get"] }],
  "one-node": [{ resources: ["nodes/proxy"], verbs: ["get", "create"], resourceNames: ["node-b"] }],
  "nodes-only": [{ resources: ["nodes"], verbs: ["*"] }],
};

/** For each route on node-a those of the above who may call it, besides system:kubelet-api-admin. */
const routes: readonly (readonly [string, string, readonly string[]])[] = [
  ["GET", "/healthz", ["healthz", "read-proxy"]],
  ["GET", "/healthz/syncloop", ["healthz", "read-proxy"]],
  ["GET", "/pods", ["pods", "read-proxy"]],
  ["GET", "/runningpods/", ["pods", "read-proxy"]],
  ["GET", "/configz", ["configz", "read-proxy"]],
  ["GET", "/flagz", ["configz"]],
  ["GET", "/metrics", ["metrics"]],
  ["GET", "/metrics/resource", ["metrics"]],
  ["GET", "/stats/summary", ["metrics"]],
  ["POST", "/stats/summary", []],
  ["GET", "/logs/syslog", ["log"]],
  ["GET", "/containerLogs/default/pod/main", ["read-proxy"]],
  ["GET", "/exec/default/pod/main", ["read-proxy"]],
  ["POST", "/exec/default/pod/main", []],
  ["POST", "/attach/default/pod/main", []],
  ["POST", "/portForward/default/pod", []],
  ["POST", "/run/default/pod/main", []],
  ["HEAD", "/pods", []],
];

let harness: Harness;

before(async () => {
  harness = await startHarness({ controllers: false });
  const named = (kind: string, apiVersion: string, name: string, rest: object = {}): object => ({
    apiVersion,
    kind,
    metadata: { name, ...(kind === "ServiceAccount" ? { namespace: "default" } : {}) },
    ...rest,
  });
  const rbac = "rbac.authorization.k8s.io/v1";
  const bind = (name: string, role: string): object =>
    named("ClusterRoleBinding", rbac, `test-${name}`, {
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: role },
      subjects: [{ kind: "ServiceAccount", namespace: "default", name }],
    });
  await harness.apply(
    await readFile(join(import.meta.dirname, "../deploy/rbac.yaml"), "utf8"),
    ...["admin", "leaver", "late", ...Object.keys(grants)].map((name) => named("ServiceAccount", "v1", name)),
    ...Object.entries(grants).flatMap(([name, rules]) => [
      named("ClusterRole", rbac, `test-${name}`, { rules: rules.map((rule) => ({ apiGroups: [""], ...rule })) }),
      bind(name, `test-${name}`),
    ]),
    bind("admin", "system:kubelet-api-admin"),
  );
});
after(() => harness?.[Symbol.asyncDispose]());

const tokenOf = (name: string, ...args: string[]): Promise<string> =>
  harness.kubectl("create", "token", name, "--namespace", "default", ...args);
const bearer = (token: string): { readonly authorization: string } => ({ authorization: `Bearer ${token}` });

for (const [title, kubeconfig] of [
  [
    "the ServiceAccount of deploy/rbac.yaml",
    () => harness.cluster.serviceAccountKubeconfig("virtual-kubelet", "virtual-kubelet"),
  ],
  ["a node", () => harness.cluster.kubeconfigFor("system:node:node-a", ["system:nodes"])],
] satisfies [string, () => Promise<string>][]) {
  describe(`asked by ${title}`, { timeout: 900_000 }, () => {
    let client: KubeClient;
    before(async () => {
      client = await connect({ kubeconfig: await kubeconfig(), log: silentLogger });
    });
    after(() => client?.close());

    it("a ServiceAccount's token is known by its name and groups; a wrong, a changed and another audience's are not", async () => {
      const authenticator = createAuthenticator({ client });
      const token = await tokenOf("pods");
      const user = await authenticator.authenticate(bearer(token), never);
      assert.equal(user?.username, `${account}pods`);
      assert.deepEqual([...user.groups].sort(), [
        "system:authenticated",
        "system:serviceaccounts",
        "system:serviceaccounts:default",
      ]);
      assert.match(user.uid ?? "", /^[0-9a-f-]{36}$/);
      const [head = "", claims = "", signature = ""] = token.split(".");
      const changed = Buffer.from(claims, "base64url").toString().replaceAll("default:pods", "default:admin");
      assert.notEqual(changed, Buffer.from(claims, "base64url").toString());
      for (const bad of [
        "wrong",
        `${head}.${Buffer.from(changed).toString("base64url")}.${signature}`,
        await tokenOf("pods", "--audience", "somebody-else"),
      ])
        assert.equal(await authenticator.authenticate(bearer(bad), never), undefined);
    });

    it("a token that has expired is refused at once, with the answer still in the cache", async () => {
      let now = Date.now();
      const clock = { ...systemClock, now: () => now };
      const authenticator = createAuthenticator({ client, clock, tokenCacheMs: 3_600_000 });
      const token = await tokenOf("pods", "--duration", "10m");
      const { exp } = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString());
      const credentials = bearer(token);
      assert.notEqual(await authenticator.authenticate(credentials, never), undefined);
      now = exp * 1000 - 1;
      assert.notEqual(await authenticator.authenticate(credentials, never), undefined);
      now = exp * 1000;
      assert.equal(await authenticator.authenticate(credentials, never), undefined);
    });

    it("each grant opens its routes and no other", async () => {
      const authenticator = createAuthenticator({ client });
      const authorizer = createAuthorizer({ client });
      const users = new Map<string, UserInfo>();
      for (const name of ["admin", ...Object.keys(grants)]) {
        const user = await authenticator.authenticate(bearer(await tokenOf(name)), never);
        assert.ok(user !== undefined, name);
        users.set(name, user);
      }
      const allowed = await Promise.all(
        routes.map(async ([method, path]) => {
          const attributes = accessAttributes("node-a", method, path);
          const names: string[] = [];
          for (const [name, user] of users)
            if ((await authorizer.authorize(user, attributes, never)).allowed) names.push(name);
          return [method, path, names];
        }),
      );
      assert.deepEqual(
        allowed,
        routes.map(([method, path, names]) => [method, path, ["admin", ...names]]),
      );
      const one = users.get("one-node");
      assert.ok(one !== undefined);
      for (const [node, expected] of [
        ["node-b", true],
        ["node-a", false],
      ] as const) {
        const decision = await authorizer.authorize(one, accessAttributes(node, "POST", "/exec/a/b/c"), never);
        assert.equal(decision.allowed, expected);
      }
    });

    it("certificates of the API server's kubelet client and of the masters open everything; a stranger's nothing", async () => {
      const authenticator = createAuthenticator({ client });
      const authorizer = createAuthorizer({ client });
      const certificateOf = async (user: string, groups: readonly string[]): Promise<Uint8Array> => {
        const config = await readFile(await harness.cluster.kubeconfigFor(user, groups), "utf8");
        const data = /client-certificate-data"?: "?([^"\s]+)/.exec(config)?.[1];
        assert.ok(data !== undefined);
        return new X509Certificate(Buffer.from(data, "base64")).raw;
      };
      const apiServer = await readFile(join(harness.cluster.directory, "apiserver-kubelet-client.crt"));
      for (const [verifiedCertificate, expected] of [
        [new X509Certificate(apiServer).raw, true],
        [await certificateOf("somebody", ["a", "system:masters"]), true],
        [await certificateOf("somebody", ["a"]), false],
      ] as const) {
        const user = await authenticator.authenticate({ verifiedCertificate }, never);
        assert.ok(user !== undefined);
        for (const [method, path] of routes) {
          const decision = await authorizer.authorize(user, accessAttributes("node-a", method, path), never);
          assert.equal(decision.allowed, expected, `${user.username} ${method} ${path}`);
        }
      }
    });
  });
}

describe("over time", { timeout: 900_000 }, () => {
  let client: KubeClient;
  before(async () => {
    const kubeconfig = await harness.cluster.serviceAccountKubeconfig("virtual-kubelet", "virtual-kubelet");
    client = await connect({ kubeconfig, log: silentLogger });
  });
  after(() => client?.close());

  it("the token of a deleted ServiceAccount ends with the cache", async () => {
    const authenticator = createAuthenticator({ client, tokenCacheMs: 500, refusedTokenCacheMs: 0 });
    const credentials = bearer(await tokenOf("leaver"));
    assert.equal((await authenticator.authenticate(credentials, never))?.username, `${account}leaver`);
    await harness.kubectl("delete", "serviceaccount", "leaver");
    // The API server has a cache of its own.
    await eventually("it is refused", 20_000, async () => {
      return (await authenticator.authenticate(credentials, never)) === undefined;
    });
  });

  it("a grant works when the denial is forgotten, and its end when the permission is", async () => {
    const authorizer = createAuthorizer({ client, allowedCacheMs: 300, deniedCacheMs: 300 });
    const late: UserInfo = { username: `${account}late`, groups: [] };
    const may = async (): Promise<boolean> =>
      (await authorizer.authorize(late, accessAttributes("node-a", "GET", "/metrics"), never)).allowed;
    assert.equal(await may(), false);
    const binding = ["clusterrolebinding", "test-late"];
    await harness.kubectl("create", ...binding, "--clusterrole=test-metrics", "--serviceaccount=default:late");
    await eventually("it is allowed", 10_000, may);
    await harness.kubectl("delete", ...binding);
    await eventually("it is denied", 10_000, async () => !(await may()));
  });

  it("whoever may not ask cannot decide: that is no refusal of the caller", async () => {
    const kubeconfig = await harness.cluster.serviceAccountKubeconfig("default", "nothing");
    const powerless = await connect({ kubeconfig, log: silentLogger });
    const unavailable = (error: unknown): boolean =>
      isErrorKind(error, "Unavailable") && /forbidden/.test(String(error));
    try {
      const credentials = bearer(await tokenOf("admin"));
      await assert.rejects(createAuthenticator({ client: powerless }).authenticate(credentials, never), unavailable);
      const attributes = accessAttributes("node-a", "GET", "/pods");
      const user = { username: `${account}admin`, groups: [] };
      await assert.rejects(createAuthorizer({ client: powerless }).authorize(user, attributes, never), unavailable);
    } finally {
      await powerless.close();
    }
  });

  it("while the API server is away known callers go on, others are refused in time, and all is well again after it", async () => {
    const options = { client, deadlineMs: 5000 };
    const [authenticator, authorizer] = [createAuthenticator(options), createAuthorizer(options)];
    const [known, other] = [bearer(await tokenOf("admin")), bearer(await tokenOf("pods"))];
    const attributes = accessAttributes("node-a", "POST", "/exec/default/pod/main");
    const may = async (credentials: typeof known): Promise<boolean> => {
      const user = await authenticator.authenticate(credentials, never);
      return user !== undefined && (await authorizer.authorize(user, attributes, never)).allowed;
    };
    assert.equal(await may(known), true);
    await harness.cluster.killApiServer();
    try {
      assert.equal(await may(known), true);
      const begun = Date.now();
      await assert.rejects(may(other), (error: unknown) => isErrorKind(error, "Unavailable"));
      // The client would go on for thirty seconds.
      assert.ok(Date.now() - begun < 25_000);
    } finally {
      await harness.cluster.startApiServer();
    }
    assert.equal(await eventually("it is asked again", 20_000, async () => (await may(other)) === false), true);
  });
});
