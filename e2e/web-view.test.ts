// The web view of a running program, in a browser: who may look, a pod from bind to its end with all calls, and the keyboard.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { parse } from "yaml";
import { type DevCluster, startDevCluster } from "../packages/dev-cluster/src/index.ts";
import type { KubeClient } from "../packages/virtual-kubelet/src/kube/client.ts";
import { connect } from "../packages/virtual-kubelet/src/kube/connect.ts";
import { namespaces, pods, resource, serviceAccounts } from "../packages/virtual-kubelet/src/kube/resource.ts";
import { eventually } from "../packages/virtual-kubelet/src/testing/eventually.ts";
import { type ManagedProcess, ProcessGroup } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { startProgram } from "../packages/virtual-kubelet/src/testing/program-process.ts";
import { accessibilityFaults, openPage, startBrowser } from "./web-view-browser.ts";

const faults = `
$mock:
  behaviour: { startDelay: 200ms }
  faults:
    errors:
      - { method: createPod, kind: Throttled, next: 1, retryAfter: 20m }
      - { method: createPod, kind: Throttled, next: 1, retryAfter: 1s, message: "too many; see https://user:hunter2@example.com" }
`;

let cluster: DevCluster;
let client: KubeClient;
let group: ProcessGroup;
let browser: Browser;
/** Tokens of ServiceAccounts: of one that may look, and of one that may not. */
let viewer = "";
let nobody = "";
/** http://127.0.0.1:port of a program that listens on loopback, and the port of one that listens on all addresses. */
let url = "";
let openPort = 0;

const stack = new AsyncDisposableStack();

before(async () => {
  cluster = stack.use(await startDevCluster());
  client = await connect({ kubeconfig: cluster.kubeconfig });
  stack.defer(() => client.close());
  group = stack.use(new ProcessGroup({ parent: tmpdir(), prefix: "vk-web-view-" }));
  browser = stack.use(await startBrowser());
  await client.create(namespaces, { metadata: { name: "shop" } });
  viewer = await tokenOf("viewer");
  nobody = await tokenOf("nobody");
  const roles = resource("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", false);
  const bindings = resource("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", false);
  const rules = [{ apiGroups: [""], resources: ["nodes/pods"], verbs: ["get"] }];
  const role = { metadata: { name: "web-view" }, rules };
  await client.create(roles, role);
  const binding = {
    metadata: { name: "web-view" },
    roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "web-view" },
    subjects: [{ kind: "ServiceAccount", namespace: "shop", name: "viewer" }],
  };
  await client.create(bindings, binding);
  const configFile = join(group.directory, "mock.yaml");
  await writeFile(configFile, faults);
  const [local, open] = await Promise.all([
    startVirtual("vk", ["--metrics-addr=127.0.0.1:0", "--provider-config", configFile]),
    startVirtual("vk-open", ["--metrics-addr=:0"]),
  ]);
  url = `http://${await addressOf(local)}`;
  openPort = Number((await addressOf(open)).split(":").at(-1));
});

after(() => stack.disposeAsync());

async function tokenOf(name: string): Promise<string> {
  await client.create(serviceAccounts, { metadata: { name, namespace: "shop" } });
  return fieldOf(await cluster.serviceAccountKubeconfig("shop", name), "token");
}

/** The text that a kubeconfig has under this key, wherever that is. */
async function fieldOf(kubeconfig: string, key: string): Promise<string> {
  const content: unknown = parse(await readFile(kubeconfig, "utf8"));
  const text = new RegExp(`"${key}":"([^"]+)"`).exec(JSON.stringify(content))?.[1];
  assert.ok(text !== undefined, `${kubeconfig} has no ${key}`);
  return text;
}

function startVirtual(name: string, args: readonly string[]): Promise<ManagedProcess> {
  const common = ["--provider", "mock", "--nodename", name, "--web-view", "--disable-taint", "--log-format", "json"];
  return startProgram(group, name, cluster.kubeconfig, [...common, ...args]);
}

function addressOf(program: ManagedProcess): Promise<string> {
  return eventually("the program serves the web view", 20_000, async () => {
    const log = await program.logTail(20_000);
    if (!/"message":"registered"/.test(log)) return undefined;
    return /"address":"([^"]+)","message":"serving \/metrics[^"]*web view/.exec(log)?.[1];
  });
}

async function signIn(page: Page, token: string): Promise<void> {
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Show" }).click();
}

function bound(name: string): Parameters<KubeClient["create"]>[1] {
  return {
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "shop" } },
    ...{
      spec: { nodeName: "vk", containers: [{ name: "app", image: "nginx", env: [{ name: "KEY", value: "s3cret" }] }] },
    },
  };
}

test("a pod's timeline has each call from bind to Running, the retry while it waits, and its end", async () => {
  await using opened = await openPage(browser);
  const { page, hosts, complaints } = opened;
  await page.goto(`${url}/view/`);
  await page.getByRole("heading", { name: "Who are you?" }).waitFor();
  await signIn(page, viewer);
  await page.getByRole("heading", { name: "Nodes" }).waitFor();
  // While one waits, the next attempt is told.
  await client.create(pods, bound("waits"));
  await page.getByRole("link", { name: "shop/waits" }).first().click();
  const next = page.locator("#pod .next");
  await next.filter({ hasText: /1 failure in a row \(queue pods\); next try in \d+ min/ }).waitFor();

  await client.create(pods, bound("web"));
  await page.getByRole("link", { name: "shop/web" }).first().click();
  const facts = page.locator("#pod-facts");
  await facts.filter({ hasText: "Running on node vk" }).waitFor();
  const lines = async (): Promise<readonly string[]> =>
    (await page.locator("#timeline tr").allInnerTexts()).map((line) => line.replaceAll(/\s+/g, " "));
  const refused = /provider call createPod too many; see https:\/\/user:\[redacted\]@example.com [\d.]+ m?s Throttled/;
  const created = /provider call createPod [\d.]+ m?s ok/;
  const told = /event ProviderCreateFailed warning/;
  await shown(lines, [
    /bound to node vk/,
    refused,
    told,
    /retry queue pods: failed once next try at [\d:]+, after (?:99\d ms|[12]\.\d s)/,
    created,
    /container app started/,
    /API call replace pods\/status phase Running [\d.]+ m?s ok/,
  ]);
  // Told of on its own; when the container has started is known to the second.
  await shown(lines, [created, /event ProviderCreateSuccess/]);
  // Written on their own, beside the retry.
  await shown(lines, [refused, /API call replace pods\/status phase Pending [\d.]+ m?s ok/]);
  await shown(lines, [told, /API call create events ProviderCreateFailed [\d.]+ m?s ok/]);
  assert.equal(await next.count(), 0);

  await client.delete(pods, { namespace: "shop", name: "web" }, { gracePeriodSeconds: 1 });
  await facts.filter({ hasText: "Gone" }).waitFor();
  await page.getByRole("status").filter({ hasText: "web is Gone" }).waitFor({ state: "attached" });
  await shown(lines, [/provider call deletePod [\d.]+ m?s ok/, /API call delete pods grace 0 s [\d.]+ m?s ok/]);
  await page.getByRole("button", { name: /^Gone 1/ }).click();
  await page.getByRole("link", { name: "shop/web" }).first().waitFor();

  assert.ok(!(await page.content()).includes("s3cret"));
  assert.deepEqual([...hosts], ["127.0.0.1"]);
  assert.deepEqual(complaints, []);
});

/** All of these lines in this order, others between them. */
async function shown(lines: () => Promise<readonly string[]>, wanted: readonly RegExp[]): Promise<void> {
  let last: readonly string[] = [];
  try {
    await eventually("the timeline", 10_000, async () => {
      last = await lines();
      let at = -1;
      for (const line of wanted) {
        at = last.findIndex((text, index) => index > at && line.test(text));
        if (at < 0) throw new Error(`nothing like ${line}`);
      }
      return true;
    });
  } catch (error) {
    throw new Error(`${String(error)}\n${last.join("\n")}`);
  }
}

test("all of it can be done by keyboard", async () => {
  await Promise.all(["a", "b", "c"].map((name) => client.create(pods, bound(name))));
  await using opened = await openPage(browser);
  const { page } = opened;
  await page.goto(`${url}/view/`);
  const focused = async (): Promise<string> => String(await page.evaluate("document.activeElement.innerText.trim()"));
  await page.locator("#token:focus").waitFor();
  await page.keyboard.press("Shift+Tab");
  assert.equal(await focused(), "Skip to the content");
  await page.keyboard.press("Enter");
  await page.locator("main:focus").waitFor();
  await page.keyboard.press("Tab");
  await page.keyboard.insertText(viewer);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Running 3" }).waitFor();
  // What had the keyboard is gone.
  await page.locator("main:focus").waitFor();
  await page.keyboard.press("Tab");
  assert.match(await focused(), /^All/);
  await page.keyboard.press("Tab");
  assert.match(await focused(), /^Running 3/);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Running 3", pressed: true }).waitFor();
  for (let tabs = 0; !(await page.locator("#filter:focus").isVisible()); tabs++) {
    assert.ok(tabs < 4, "the filter comes after the phases");
    await page.keyboard.press("Tab");
  }
  await page.keyboard.press("Tab");
  const first = await focused();
  await page.keyboard.press("ArrowDown");
  await page.keyboard.press("ArrowDown");
  const third = await focused();
  await page.keyboard.press("ArrowDown");
  assert.equal(await focused(), third, "the list ends there");
  await page.keyboard.press("Home");
  assert.equal(await focused(), first);
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  await page.locator("#pod-title:focus").filter({ hasText: third }).waitFor();
  await page.keyboard.press("Tab");
  assert.equal(await focused(), "Close");
  const outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle");
  assert.equal(outline, "solid", "the focus is seen");
  await page.keyboard.press("Escape");
  await page.locator("#pods a:focus").filter({ hasText: third }).waitFor();
  await page.locator("#filter").focus();
  await page.keyboard.type("no such pod");
  await page.getByText("No pod fits.").waitFor();
});

test("without a token that may look there is nothing to see, and the page says why", async () => {
  await using opened = await openPage(browser, { colorScheme: "dark" });
  const { page } = opened;
  await page.goto(`${url}/view/`);
  await signIn(page, "wrong");
  await page.getByRole("alert").filter({ hasText: "does not know this token" }).waitFor();
  await signIn(page, nobody);
  const denied =
    "Forbidden (user=system:serviceaccount:shop:nobody, verb=get, resource=nodes, subresource(s)=[pods proxy])";
  await page.getByRole("alert").filter({ hasText: denied }).waitFor();
  assert.equal(await page.locator("#content").isVisible(), false);
  assert.deepEqual(await accessibilityFaults(page), []);
  await signIn(page, viewer);
  await page.getByRole("button", { name: "Forget the token" }).click();
  await page.getByRole("heading", { name: "Who are you?" }).waitFor();
  assert.equal(await page.locator("#content").isVisible(), false);
});

test("on an address beyond loopback it is served over TLS alone, with tokens and client certificates", async () => {
  const plain = await fetch(`http://127.0.0.1:${openPort}/view/`);
  assert.deepEqual(
    [plain.status, await plain.text()],
    [403, "the web view is served by https alone: this address is not loopback\n"],
  );
  const withToken = await fetch(`http://127.0.0.1:${openPort}/view/api/state`, {
    headers: { Authorization: `Bearer ${viewer}` },
  });
  assert.equal(withToken.status, 403);
  assert.equal((await fetch(`http://127.0.0.1:${openPort}/healthz`)).status, 200);
  assert.match(await (await fetch(`http://127.0.0.1:${openPort}/metrics`)).text(), /virtual_kubelet_/);

  const state = "/view/api/state";
  assert.equal((await overTLS("/view/")).status, 200);
  assert.equal((await overTLS("/healthz")).status, 200);
  assert.equal((await overTLS(state)).status, 401);
  assert.equal((await overTLS(state, { headers: { Authorization: "Bearer wrong" } })).status, 401);
  assert.equal((await overTLS(state, { headers: { Authorization: `Bearer ${nobody}` } })).status, 403);
  assert.match((await overTLS(state, { headers: { Authorization: `Bearer ${viewer}` } })).text, /"name":"vk-open"/);
  const certificate = async (user: string, groups: readonly string[]): Promise<{ cert: string; key: string }> => {
    const kubeconfig = await cluster.kubeconfigFor(user, groups);
    const data = async (key: string): Promise<string> =>
      Buffer.from(await fieldOf(kubeconfig, key), "base64").toString();
    return { cert: await data("client-certificate-data"), key: await data("client-key-data") };
  };
  assert.equal((await overTLS(state, await certificate("jane", ["system:masters"]))).status, 200);
  assert.equal((await overTLS(state, await certificate("joe", []))).status, 403);
});

function overTLS(
  path: string,
  options: { readonly headers?: Record<string, string>; readonly cert?: string; readonly key?: string } = {},
): Promise<{ readonly status: number; readonly text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number; text: string }>();
  const where = { host: "127.0.0.1", port: openPort, path, rejectUnauthorized: false, agent: false };
  request({ ...where, ...options }, (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    response.once("end", () => resolve({ status: response.statusCode ?? 0, text }));
  })
    .once("error", reject)
    .end();
  return promise;
}
