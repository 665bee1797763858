// kubeconfig files: merging, paths, and all faults at once.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { connect, resolveClusterConfig } from "./connect.ts";
import { inClusterConfig } from "./in-cluster.ts";
import { clusterConfigOf } from "./kubeconfig.ts";
import { parseKubeconfig } from "./kubeconfig-file.ts";

const pem = Buffer.from("-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n").toString("base64");

const full = `
apiVersion: v1
kind: Config
current-context: one
preferences: {}
clusters:
- name: c1
  cluster:
    server: https://api.example:6443
    certificate-authority: pki/ca.crt
    tls-server-name: kubernetes
    proxy-url: socks5://proxy:1080
    extensions:
    - name: client.authentication.k8s.io/exec
      extension: {audience: x}
- name: c2
  cluster: {server: "http://localhost:8080", insecure-skip-tls-verify: true}
contexts:
- name: one
  context: {cluster: c1, user: u1, namespace: team}
- name: two
  context: {cluster: c2, user: u2}
- name: nobody
  context: {cluster: c2, user: ""}
users:
- name: u1
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./bin/login
      args: [--quiet]
      env: [{name: A, value: b}]
      interactiveMode: Never
      provideClusterInfo: true
      installHint: get it
- name: u2
  user:
    client-certificate-data: ${pem}
    client-key: /abs/key.pem
    as: jane
    as-uid: "7"
    as-groups: [g1, g2]
    as-user-extra: {scopes: [a, b]}
`;

test("a context becomes what is needed to reach its cluster", () => {
  const config = parseKubeconfig(full, "/home/me/.kube/config");
  assert.deepEqual(clusterConfigOf(config), {
    server: "https://api.example:6443",
    certificateAuthority: { file: "/home/me/.kube/pki/ca.crt" },
    insecureSkipTlsVerify: false,
    tlsServerName: "kubernetes",
    proxyUrl: "socks5://proxy:1080",
    namespace: "team",
    user: {
      clientCertificate: undefined,
      clientKey: undefined,
      token: undefined,
      tokenFile: undefined,
      username: undefined,
      password: undefined,
      exec: {
        apiVersion: "client.authentication.k8s.io/v1",
        command: "/home/me/.kube/bin/login",
        args: ["--quiet"],
        env: { A: "b" },
        installHint: "get it",
        provideClusterInfo: true,
        interactiveMode: "Never",
        clusterExtension: { audience: "x" },
      },
      impersonate: undefined,
    },
  });
  const two = clusterConfigOf(config, "two");
  assert.equal(two.namespace, "default");
  assert.equal(two.insecureSkipTlsVerify, true);
  assert.deepEqual(two.user.clientCertificate, { data: Buffer.from(pem, "base64").toString() });
  assert.deepEqual(two.user.clientKey, { file: "/abs/key.pem" });
  assert.deepEqual(two.user.impersonate, {
    user: "jane",
    uid: "7",
    groups: ["g1", "g2"],
    extra: { scopes: ["a", "b"] },
  });
  assert.deepEqual(clusterConfigOf(config, "nobody").user, {});
});

function faultsOf(text: string): { message: string; field: string | undefined } {
  try {
    clusterConfigOf(parseKubeconfig(text, "/k"));
  } catch (error) {
    assert.ok(error instanceof VirtualKubeletError && error.kind === "Invalid", String(error));
    return error;
  }
  throw new assert.AssertionError({ message: "no fault was found" });
}

describe("faults", () => {
  const user = (yaml: string): string => `users: [{name: u, user: ${yaml}}]`;
  const cluster = (yaml: string): string => `clusters: [{name: c, cluster: ${yaml}}]`;
  for (const [text, message] of [
    ["clusters: [", /line \d+: /],
    ["hello", /the file: must be a map/],
    ["kind: Pod", /kind: must be Config/],
    ["", /current-context: must be set/],
    ["current-context: x", /there is no context "x"/],
    [
      "{current-context: x, contexts: [{name: x, context: {cluster: c, user: u}}]}",
      /contexts\[0\]\.context\.cluster: there is no cluster "c"; contexts\[0\]\.context\.user: there is no user "u"/,
    ],
    [cluster("{}"), /clusters\[0\]\.cluster\.server: must be set/],
    [cluster("{server: localhost:1}"), /clusters\[0\]\.cluster\.server: must be an http/],
    [cluster("{server: 'https://x', insecure-skip-tls-verify: true, certificate-authority: a}"), /excludes insecure/],
    [cluster("{server: 'https://x', proxy-url: 'ftp://x'}"), /proxy-url: must be/],
    [cluster("{server: 'https://x', certificate-authority-data: aGVsbG8=}"), /certificate-authority-data: is no PEM/],
    [
      "clusters: [{name: c, cluster: {server: 'https://x'}}, {name: c, cluster: {server: 'https://y'}}]",
      /clusters\[1\]\.cluster: there is another "c"/,
    ],
    [user("{auth-provider: {name: gcp}}"), /users\[0\]\.user\.auth-provider: was removed from Kubernetes/],
    [user("{client-certificate: a}"), /users\[0\]\.user\.client-key: must be set/],
    [user("{client-key: a}"), /users\[0\]\.user\.client-certificate: must be set/],
    [user("{token: a, username: b}"), /exclude one another/],
    [user("{password: b}"), /username: must be set/],
    [user("{as-groups: [g]}"), /users\[0\]\.user\.as: must be set/],
    [user("{exec: {apiVersion: client.authentication.k8s.io/v1, command: x}}"), /exec\.interactiveMode: must be set/],
    [
      user("{exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}}"),
      /exec\.apiVersion: must be one of/,
    ],
  ] as const) {
    test(text, () => assert.match(faultsOf(text).message, message));
  }

  test("all at once, by field, without the values", () => {
    const error = faultsOf("{users: [{name: u, user: {token: 4711, as-groups: s3cret}}], clusters: [{name: 1}]}");
    for (const field of ["users[0].user.token", "users[0].user.as-groups", "clusters[0].name", "clusters[0].cluster"])
      assert.ok(error.message.includes(field), `${field} in ${error.message}`);
    assert.doesNotMatch(error.message, /4711|s3cret/);
    assert.equal(error.field, "clusters[0].name");
  });
});

describe("files", () => {
  let directory = "";
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), "kubeclient-"));
    await writeFile(
      join(directory, "a"),
      `{users: [{name: red, user: {token: first}}], clusters: [{name: c, cluster: {server: "https://a"}}]}`,
    );
    await mkdir(join(directory, "sub"));
    await writeFile(
      join(directory, "sub", "b"),
      `{current-context: x, users: [{name: red, user: {username: joe}}, {name: blue, user: {tokenFile: t}}],
        contexts: [{name: x, context: {cluster: c, user: red}}, {name: y, context: {cluster: c, user: blue}}]}`,
    );
  });
  after(() => rm(directory, { recursive: true }));
  const list = (...names: string[]): NodeJS.ProcessEnv => ({
    KUBECONFIG: names.map((name) => join(directory, name)).join(delimiter),
    HOME: directory,
  });

  test("the first file to have a name wins whole, missing files are passed over", async () => {
    const env = list("missing", "a", "sub/b", "a");
    const x = await resolveClusterConfig({ env });
    assert.equal(x.server, "https://a");
    assert.equal(x.user.token, "first");
    assert.equal(x.user.username, undefined);
    const y = await resolveClusterConfig({ env, context: "y" });
    assert.equal(y.user.tokenFile, join(directory, "sub", "t"));
  });

  test("a named file counts alone, and must exist", async () => {
    await assert.rejects(
      resolveClusterConfig({ env: list("a"), kubeconfig: join(directory, "sub/b") }),
      /no cluster "c"/,
    );
    await assert.rejects(
      resolveClusterConfig({ env: list("a"), kubeconfig: join(directory, "x") }),
      /cannot be read: ENOENT/,
    );
    await assert.rejects(resolveClusterConfig({ env: list("x", "y") }), /none of the files of KUBECONFIG exists/);
  });

  test("without any, ~/.kube/config, then the pod's service account, then an error that says so", async () => {
    await assert.rejects(resolveClusterConfig({ env: { HOME: directory } }), /no cluster: no kubeconfig was named/);
    const pod = { HOME: directory, KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "443" };
    assert.equal((await resolveClusterConfig({ env: pod })).server, "https://10.0.0.1:443");
    await mkdir(join(directory, ".kube"));
    await writeFile(
      join(directory, ".kube", "config"),
      `{current-context: h, clusters: [{name: c, cluster: {server: "https://home"}}], contexts: [{name: h, context: {cluster: c}}]}`,
    );
    assert.equal((await resolveClusterConfig({ env: pod })).server, "https://home");
  });

  test("the environment's proxy counts where the cluster names none", async () => {
    const env = { ...list("a", "sub/b"), HTTPS_PROXY: "http://proxy:3128" };
    assert.equal((await resolveClusterConfig({ env })).proxyUrl, "http://proxy:3128");
    assert.equal((await resolveClusterConfig({ env: { ...env, NO_PROXY: "a" } })).proxyUrl, undefined);
    await assert.rejects(resolveClusterConfig({ env: { ...env, HTTPS_PROXY: "ftp://u:s3cret@x" } }), (error) => {
      assert.ok(error instanceof VirtualKubeletError && error.kind === "Invalid");
      assert.doesNotMatch(error.message, /s3cret/);
      return true;
    });
  });

  test("certificate files that are missing are told at the start, all of them", async () => {
    const file = join(directory, "broken");
    await writeFile(join(directory, "nopem"), "hello");
    await writeFile(
      file,
      `{current-context: h, clusters: [{name: c, cluster: {server: "https://x", certificate-authority: nopem}}],
        users: [{name: u, user: {client-certificate: gone.crt, client-key: gone.key}}],
        contexts: [{name: h, context: {cluster: c, user: u}}]}`,
    );
    await assert.rejects(connect({ kubeconfig: file, env: {} }), (error) => {
      assert.ok(error instanceof VirtualKubeletError && error.kind === "Invalid");
      assert.match(error.message, /certificate-authority: \S*nopem holds no PEM/);
      assert.match(error.message, /client-certificate: \S*gone\.crt cannot be read \(ENOENT\); client-key: /);
      return true;
    });
  });
});

test("in a pod", async () => {
  const directory = await mkdtemp(join(tmpdir(), "kubeclient-"));
  await writeFile(join(directory, "namespace"), "team\n");
  const env = { KUBERNETES_SERVICE_HOST: "fd00::1", KUBERNETES_SERVICE_PORT: "6443" };
  assert.deepEqual(await inClusterConfig(env, directory), {
    server: "https://[fd00::1]:6443",
    certificateAuthority: { file: join(directory, "ca.crt") },
    namespace: "team",
    user: { tokenFile: join(directory, "token") },
  });
  assert.equal(await inClusterConfig({}, directory), undefined);
  await rm(directory, { recursive: true });
});
