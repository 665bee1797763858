// The chart as it renders: what the API server says of it, what the program says of the configuration in it, that its rights are
// those that the program asks for.
import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { parse, parseAllDocuments } from "yaml";
import { neededAccess } from "../packages/virtual-kubelet/src/diagnosis/needed-access.ts";
import type { PodSpec, PodTemplateSpec } from "../packages/virtual-kubelet/src/kube/types.gen.ts";
import { loadConfig } from "../packages/virtual-kubelet/src/program/load-config.ts";
import { program } from "../packages/virtual-kubelet/src/program/program.ts";
import { configurationFaults } from "../scripts/docs/configurations.ts";
import { renderedManifests } from "../scripts/manifests/rendered-manifests.ts";
import { chart, Helm, installMonitoringCrds } from "./chart-tools.ts";
import { valueSets } from "./chart-values.ts";
import { type Harness, startHarness } from "./harness.ts";

let harness: Harness;
let helm: Helm;
const root = join(import.meta.dirname, "..");
const namespace = "vk-system";

before(async () => {
  helm = await Helm.find();
  harness = await startHarness();
  const restricted = { "pod-security.kubernetes.io/warn": "restricted" };
  await harness.apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: namespace, labels: restricted } });
  await installMonitoringCrds(harness);
});
after(async () => {
  await using _ = helm;
  await harness?.[Symbol.asyncDispose]();
});

interface Rendered {
  readonly text: string;
  readonly objects: readonly K8sObject[];
}
interface K8sObject {
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly data?: Readonly<Record<string, string>>;
  readonly rules?: readonly Readonly<Record<string, readonly string[]>>[];
  readonly spec?: {
    readonly template?: PodTemplateSpec;
    readonly ingress?: readonly { readonly ports: readonly { readonly port: number; readonly endPort: number }[] }[];
  };
}
interface Values {
  readonly instances: readonly { readonly name: string; readonly config: object }[];
}

/** Of the first Deployment: annotations and labels of its pods, and their spec. */
function deploymentOf(objects: readonly K8sObject[]): {
  readonly annotations: object;
  readonly labels: Readonly<Record<string, string>>;
  readonly spec: PodSpec;
} {
  const template = objects.find(({ kind }) => kind === "Deployment")?.spec?.template;
  assert.ok(template?.spec !== undefined);
  const { annotations = {}, labels = {} } = template.metadata ?? {};
  return { annotations, labels, spec: template.spec };
}

/** What a cloud's webhook goes by: annotations of the ServiceAccount, and the label of its pods. */
function identityOf(objects: readonly K8sObject[]): readonly unknown[] {
  const account = objects.find(({ kind }) => kind === "ServiceAccount");
  return [account?.metadata.annotations, deploymentOf(objects).labels["azure.workload.identity/use"]];
}

/** The program and its provider take the configuration; nothing of it is left to the cloud's webhook but the token. */
async function isTakenByProvider({ objects }: Rendered): Promise<void> {
  const { data } = objects.find(({ kind }) => kind === "ConfigMap") ?? {};
  assert.deepEqual(await configurationFaults(data?.["config.yaml"] ?? "", root), []);
}

async function render(values: string): Promise<Rendered> {
  const text = await helm.done("template", "test", chart, "--namespace", namespace, "--values", values);
  return {
    text,
    objects: parseAllDocuments(text)
      .map((document) => document.toJS())
      .filter((object) => object !== null),
  };
}

const examples = (await readdir(join(chart, "examples"))).map(
  (file) => [file, () => join(chart, "examples", file)] as const,
);
const sets = Object.entries(valueSets).map(([title, values]) => [title, () => helm.values(values)] as const);

/** What else is to be seen of a set. */
const more: Readonly<Record<string, (rendered: Rendered) => void | Promise<void>>> = {
  "aci.yaml": async (rendered) => {
    await isTakenByProvider(rendered);
    const annotations = {
      "azure.workload.identity/client-id": "00000000-0000-0000-0000-000000000001",
      "azure.workload.identity/tenant-id": "00000000-0000-0000-0000-000000000002",
    };
    assert.deepEqual(identityOf(rendered.objects), [annotations, "true"]);
  },
  "fargate.yaml": async (rendered) => {
    await isTakenByProvider(rendered);
    const annotations = { "eks.amazonaws.com/role-arn": "arn:aws:iam::123456789012:role/virtual-kubelet" };
    assert.deepEqual(identityOf(rendered.objects), [annotations, undefined]);
  },
  "eci.yaml": async (rendered) => {
    await isTakenByProvider(rendered);
    const annotations = { "pod-identity.alibabacloud.com/role-name": "virtual-kubelet" };
    assert.deepEqual(identityOf(rendered.objects), [annotations, undefined]);
  },
  "nomad.yaml": async (rendered) => {
    await isTakenByProvider(rendered);
    const { containers, volumes = [] } = deploymentOf(rendered.objects).spec;
    const mount = containers[0]?.volumeMounts?.find(({ mountPath }) => mountPath === "/etc/nomad");
    assert.equal(volumes.find(({ name }) => name === mount?.name)?.secret?.secretName, "nomad-credentials");
  },
  "identities of three clouds, by tokens that the chart brings": ({ objects }) => {
    assert.deepEqual(identityOf(objects), [undefined, undefined], "no webhook does it again");
    const { containers, volumes = [] } = deploymentOf(objects).spec;
    const env = new Map(containers[0]?.env?.map(({ name, value }) => [name, value]));
    const mount = containers[0]?.volumeMounts?.find(({ name }) => name === "workload-identity");
    const volume = volumes.find(({ name }) => name === "workload-identity");
    const tokens = volume?.projected?.sources?.map(({ serviceAccountToken }) => [
      `${mount?.mountPath}/${serviceAccountToken?.path}`,
      serviceAccountToken?.audience,
    ]);
    assert.deepEqual(tokens, [
      [env.get("AZURE_FEDERATED_TOKEN_FILE"), "api://AzureADTokenExchange"],
      [env.get("AWS_WEB_IDENTITY_TOKEN_FILE"), "sts.amazonaws.com"],
      [env.get("ALIBABA_CLOUD_OIDC_TOKEN_FILE"), "sts.aliyuncs.com"],
    ]);
    assert.deepEqual(
      ["AZURE_CLIENT_ID", "AZURE_TENANT_ID", "AWS_ROLE_ARN", "A"].map((name) => env.get(name)),
      [
        ...["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"],
        ...["arn:aws:iam::123456789012:role/vk", "b"],
      ],
    );
    assert.deepEqual(
      ["ALIBABA_CLOUD_ROLE_ARN", "ALIBABA_CLOUD_OIDC_PROVIDER_ARN"].map((name) => env.get(name)),
      ["acs:ram::1234567890123456:role/vk", "acs:ram::1234567890123456:oidc-provider/cluster"],
    );
  },
  "strings that mean something to YAML, templates and shells": ({ objects }) => {
    const { annotations, spec } = deploymentOf(objects);
    assert.partialDeepStrictEqual(annotations, { "example.com/a": "{{ .Values }}\n---" });
    const [container] = spec.containers;
    assert.deepEqual(container?.args?.slice(1), ["--log-level=debug", "--trace-tag=a=\"b\" 'c'"]);
    assert.deepEqual(container?.env?.at(-1), { name: "A", value: "b: c\n- d" });
  },
  "everything off": ({ objects }) => {
    assert.deepEqual(
      objects.filter(({ kind }) => kind === "NetworkPolicy"),
      [],
    );
    const { spec } = deploymentOf(objects);
    assert.deepEqual([spec.priorityClassName, spec.tolerations, spec.nodeSelector], [undefined, undefined, undefined]);
    assert.deepEqual(
      spec.containers[0]?.ports?.map(({ name }) => name),
      ["metrics"],
    );
    assert.deepEqual(spec.containers[0]?.resources, {});
  },
  "everything on": ({ objects }) => {
    const policy = objects.find(({ kind }) => kind === "NetworkPolicy");
    assert.partialDeepStrictEqual(policy?.spec, {
      policyTypes: ["Ingress", "Egress"],
      // One port for all nodes, and nobody reads metrics.
      ingress: [{ ports: [{ protocol: "TCP", port: 10250, endPort: 10250 }] }],
      egress: [
        { ports: ["UDP", "TCP"].map((protocol) => ({ protocol, port: 53 })) },
        { ports: [443, 6443].map((port) => ({ protocol: "TCP", port })) },
      ],
    });
  },
  "a certificate of a Secret, own CA, no authorisation": ({ objects }) => {
    const { spec } = deploymentOf(objects);
    assert.equal(spec.containers[0]?.env, undefined, "an address that is configured is not overridden");
    assert.equal(spec.dnsPolicy, "ClusterFirstWithHostNet");
  },
  "the web view": ({ objects }) => {
    const named = (kind: string): K8sObject | undefined =>
      objects.find(({ kind: its, metadata }) => its === kind && /web-view$/.test(metadata.name));
    assert.partialDeepStrictEqual(named("Service")?.spec, { ports: [{ port: 443, targetPort: "metrics" }] });
    assert.deepEqual(named("ClusterRole")?.rules, [
      { apiGroups: [""], resources: ["nodes/pods"], resourceNames: ["seen"], verbs: ["get"] },
    ]);
    assert.equal(named("ClusterRoleBinding"), undefined, "who may look is for the administrator to say");
    const policy = objects.find(({ kind }) => kind === "NetworkPolicy");
    const from = [{ podSelector: { matchLabels: { app: "ingress" } } }];
    assert.partialDeepStrictEqual(policy?.spec?.ingress?.[1], { ports: [{ port: 10255 }], from });
  },
  "production.yaml": ({ text, objects }) => {
    assert.equal(objects.filter(({ kind }) => kind === "ServiceMonitor" || kind === "PrometheusRule").length, 2);
    assert.match(text, /runbook_url: https:\/\/git\.example\.com\/virtual-kubelet\/docs\/operations\.md#/);
    assert.match(text, /summary: "\{\{ \$labels\.instance \}\}/);
  },
  "several.yaml": ({ objects }) => {
    const ports = objects.flatMap(({ kind, spec }) => (kind === "NetworkPolicy" ? [spec?.ingress?.[0]?.ports] : []));
    assert.deepEqual(
      ports.map((list) => list?.map(({ port, endPort }) => [port, endPort])),
      [
        [
          [10250, 10259],
          [10260, 10260],
        ],
        [[10250, 10250]],
      ],
    );
  },
};

/** Pod security has something to say of it, on purpose. */
const needsMore = ["a certificate of a Secret, own CA, no authorisation", "host-engine.yaml"];

describe("what the chart renders", { timeout: 900_000 }, () => {
  it("is looked at where something is expected", () => {
    const titles = [...examples, ...sets].map(([title]) => title);
    assert.deepEqual(
      [...Object.keys(more), ...needsMore].filter((title) => !titles.includes(title)),
      [],
    );
  });
  for (const [title, file] of [...examples, ...sets]) {
    it(title, async () => {
      const values = await file();
      assert.match(await helm.done("lint", "--strict", chart, "--values", values), /0 chart\(s\) failed/);
      const rendered = await render(values);
      const { text, objects } = rendered;
      await isTakenByServer(text, needsMore.includes(title));
      const maps = objects.filter(({ kind }) => kind === "ConfigMap");
      const given: Values = parse(await readFile(values, "utf8"));
      assert.equal(maps.length, given.instances.length);
      for (const map of maps) {
        await isRightConfiguration(map, objects);
        const instance = given.instances.find(({ name }) => map.metadata.name.endsWith(`-${name}`));
        // Nothing of it is lost or changed on the way.
        assert.partialDeepStrictEqual(parse(map.data?.["config.yaml"] ?? ""), instance?.config);
      }
      await more[title]?.(rendered);
      for (const deployment of objects.filter(({ kind }) => kind === "Deployment"))
        assert.match(JSON.stringify(deployment), /\{"key":"type","operator":"NotIn","values":\["virtual-kubelet"\]\}/);
    });
  }
});

async function isTakenByServer(text: string, warns: boolean): Promise<void> {
  const manifest = await harness.writeFile("rendered.yaml", text);
  const { code, stderr, stdout } = await harness.cluster.kubectl(
    ...["apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", manifest],
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /deployment\.apps\/\S+ serverside-applied \(server dry run\)/);
  if (warns) assert.match(stderr, /would violate PodSecurity "restricted/);
  else assert.equal(stderr, "");
}

/** The program takes the file as it is, and its own list of rights is that of the roles. */
async function isRightConfiguration({ metadata, data }: K8sObject, objects: readonly K8sObject[]): Promise<void> {
  const file = await harness.writeFile("config.yaml", data?.["config.yaml"] ?? "");
  let [stdout, stderr] = ["", ""];
  const argv = ["--config", file, "--print-config"];
  const output = {
    stdout: { write: (part: string) => (stdout += part) },
    stderr: { write: (part: string) => (stderr += part) },
  };
  const code = await program({ argv, env: {}, cwd: "/", ...output, run: () => Promise.reject(new Error("runs")) });
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^metricsAddr: :\d+$/m);
  const { config } = await loadConfig({ argv: ["--config", file], env: {}, cwd: "/" });
  const resolves = config.nodes.some(
    ({ provider }) => provider.name !== "mock" && provider.name !== "/opt/provider/index.js",
  );
  const user = "system:serviceaccount:vk:vk";
  // Of each node: those that are named are asked for by name.
  const wanted = config.nodes.flatMap((node) =>
    neededAccess(
      { ...config, nodes: [node, ...config.nodes.filter((other) => other !== node)] },
      user,
      resolves,
    ).flatMap(({ verbs, group, resource, namespace: inNamespace = "", name = "" }) =>
      verbs.map((verb) => [inNamespace, group, resource, name, verb].join(" ")),
    ),
  );
  const given = objects
    .filter(({ kind, metadata: { name } }) => /^(Cluster)?Role$/.test(kind) && name === `${namespace}-${metadata.name}`)
    .flatMap(({ rules = [], metadata: { namespace: inNamespace = "" } }) =>
      rules.flatMap(({ apiGroups = [], resources = [], resourceNames = [""], verbs = [] }) =>
        resourceNames.flatMap((name) =>
          verbs.map((verb) => [inNamespace, apiGroups[0], resources[0], name, verb].join(" ")),
        ),
      ),
    );
  assert.deepEqual([...new Set(given)].sort(), [...new Set(wanted)].sort());
}

describe("the plain manifests", { timeout: 900_000 }, () => {
  it("are the chart's: else run node --conditions=source scripts/render-manifests.ts", async () => {
    const written = await readFile(join(root, "deploy/manifests/virtual-kubelet.yaml"), "utf8");
    assert.equal(written, await renderedManifests(root));
  });
  it("are taken by the API server, under the restricted standard that they ask for", async () => {
    await harness.kubectl("create", "namespace", "virtual-kubelet");
    await harness.kubectl("label", "namespace", "virtual-kubelet", "pod-security.kubernetes.io/warn=restricted");
    const { code, stderr } = await harness.cluster.kubectl(
      ...["apply", "--server-side", "--dry-run=server", "-f", join(root, "deploy/manifests/virtual-kubelet.yaml")],
    );
    assert.deepEqual([code, stderr], [0, ""]);
  });
});
