// `plan` as its user sees it: exit codes, what is refused and why, and that nothing of a secret is printed.
import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { program } from "../program/program.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-plan-"));
});
after(() => rm(directory, { recursive: true, force: true }));

async function plan(yaml: string, ...flags: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const file = join(directory, "pods.yaml");
  await writeFile(file, yaml);
  let [stdout, stderr] = ["", ""];
  const code = await program({
    argv: ["plan", "-f", file, ...flags],
    env: {},
    cwd: directory,
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) },
    run: () => Promise.reject(new Error("plan runs no node")),
  });
  return { code, stdout, stderr };
}

/** A pod of one container, with more fields of its spec and container in YAML's flow form. */
const pod = (spec = "", container = ""): string =>
  `{kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: "app:1"${container === "" ? "" : `, ${container}`}}]${spec === "" ? "" : `, ${spec}`}}}\n`;

async function processFlags(): Promise<string[]> {
  const file = join(directory, "process.yaml");
  await writeFile(file, `stateDirectory: ${directory}/state\nisolation: none\nimages: {"*": host}\n`);
  return ["--provider=process", `--provider-config=${file}`];
}

describe("plan", () => {
  const refusals: readonly [name: string, yaml: string, flags: readonly string[], expected: RegExp][] = [
    ["more than the node has", pod("", "resources: {limits: {cpu: 100}}"), [], /OutOfcpu: .*requested: 100000/],
    ["another system", pod("os: {name: windows}"), [], /PodOSNotSupported/],
    ["another node", pod("nodeSelector: {disk: ssd}"), [], /NodeAffinity/],
    ["a NoExecute taint", pod(), ["--config=taint.yaml"], /TaintToleration/],
  ];
  for (const [name, yaml, flags, expected] of refusals) {
    test(`refused: ${name}`, async () => {
      await writeFile(join(directory, "taint.yaml"), "nodeDefaults: {taints: [{key: x, effect: NoExecute}]}\n");
      const { code, stdout, stderr } = await plan(yaml, "--provider=mock", ...flags);
      assert.match(stdout, /REFUSED/, stderr);
      assert.match(stdout, expected);
      assert.equal(code, 1);
    });
  }

  test("refused by a provider that runs containers itself, each field named; and nothing is made for it", async () => {
    const yaml = pod(
      "hostUsers: false, volumes: [{name: d, persistentVolumeClaim: {claimName: x}}, {name: e, emptyDir: {}}]",
    );
    const { code, stdout } = await plan(yaml, ...(await processFlags()), "-o", "json");
    assert.equal(code, 1);
    const { fits, pods } = JSON.parse(stdout);
    assert.equal(fits, false);
    assert.deepEqual(
      pods[0].refusals.map(({ field }: { field: string }) => field),
      ["spec.hostUsers", "spec.volumes[0].persistentVolumeClaim", "spec.volumes[1].emptyDir"],
    );
    assert.ok(!(await readdir(directory)).includes("state"));
  });

  test("refused: an image that the process provider has not", async () => {
    const flags = await processFlags();
    await writeFile(join(directory, "process.yaml"), `stateDirectory: ${directory}/state\nimages: {"other:*": host}\n`);
    const { code, stdout } = await plan(pod(), ...flags);
    assert.equal(code, 1);
    assert.match(stdout, /refused +spec\.containers\[0\]\.image: image "app:1" is not among the images/);
  });

  test("documents of all kinds that have pods, and lists of them", async () => {
    const template = "template: {spec: {containers: [{name: c, image: x}]}}";
    const yaml = [
      `{kind: Deployment, metadata: {name: d}, spec: {${template}}}`,
      `{kind: CronJob, metadata: {name: j, namespace: n}, spec: {jobTemplate: {spec: {${template}}}}}`,
      `{kind: List, items: [${pod()}]}`,
      "{kind: Service, metadata: {name: s}}",
      "{kind: Namespace, metadata: {name: n}}",
    ].join("\n---\n");
    const { code, stdout, stderr } = await plan(yaml, "--provider=mock");
    assert.equal(code, 0);
    for (const title of [/^Deployment d \(pods in default\)/m, /^CronJob j \(pods in n\)/m, /^Pod default\/p/m])
      assert.match(stdout, title);
    assert.equal(stderr, "run nothing on a node: Namespace n\n");
  });

  test("the order of start, requests from limits, QoS", async () => {
    const init =
      "initContainers: [{name: i, image: x}, {name: s, image: x, restartPolicy: Always}, {name: j, image: x}], containers: [{name: c, image: x, resources: {limits: {cpu: 1, memory: 1Gi}}}]";
    const yaml = `{kind: Pod, metadata: {name: p}, spec: {${init}}}`;
    const [one] = JSON.parse((await plan(yaml, "--provider=mock", "-o=json")).stdout).pods;
    assert.deepEqual(one.order, [["i"], ["s"], ["j"], ["c"]]);
    assert.deepEqual(one.resources.requests, { cpu: "1000m", memory: "1073741824" });
    assert.equal(one.qosClass, "Burstable");
    const alone = pod("", "resources: {limits: {cpu: 1, memory: 1Gi}}");
    assert.equal(JSON.parse((await plan(alone, "--provider=mock", "-o=json")).stdout).pods[0].qosClass, "Guaranteed");
  });

  test("no secret is printed, wherever it stands", async () => {
    const env = [
      "{name: T, valueFrom: {secretKeyRef: {name: s, key: k}}}",
      "{name: IN, value: 'x-$(T)'}",
      "{name: DB_PASSWORD, value: hunter2}",
      "{name: URL, value: 'postgres://u:hunter2@db/x'}",
    ];
    const yaml = `${pod("", `env: [${env.join(", ")}], command: [run, "--token=hunter2", --password, hunter2, "export API_KEY=hunter2; go $(T)"]`)}---
{kind: Secret, metadata: {name: s}, stringData: {k: hunter2}}
`;
    for (const flags of [["--provider=mock"], await processFlags()]) {
      for (const form of ["text", "json"]) {
        const { code, stdout, stderr } = await plan(yaml, ...flags, "-o", form);
        assert.equal(code, 0, stderr);
        assert.doesNotMatch(stdout + stderr, /hunter2|aHVudGVyMg/);
        assert.match(stdout, /DB_PASSWORD/);
      }
    }
  });

  test("what is not in the file has to be in the cluster", async () => {
    const yaml = pod("", "envFrom: [{configMapRef: {name: settings}}]");
    const missing = await plan(yaml, ...(await processFlags()));
    assert.match(missing.stdout, /waits for +configmap "settings" not found/);
    assert.equal(missing.code, 0);
    const there = `${yaml}---\n{kind: ConfigMap, metadata: {name: settings}, data: {A: b}}\n`;
    const { stdout } = await plan(there, ...(await processFlags()));
    assert.match(stdout, /env +A=b\n/);
    assert.doesNotMatch(stdout, /waits for/);
  });

  test("several nodes: what is the same once, what is not by itself; it is enough to fit on one", async () => {
    const settings = `{stateDirectory: ${directory}/state, isolation: none, images: {"*": host}}`;
    const config = join(directory, "nodes.yaml");
    await writeFile(
      config,
      `nodes:
  - {name: "vk-{}", count: 2, provider: {name: mock}}
  - {name: host, provider: {name: process, config: ${settings}}, taints: []}
`,
    );
    const yaml = pod("hostUsers: false", "env: [{name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}]");
    const all = await plan(yaml, `--config=${config}`);
    assert.equal(all.code, 0, all.stderr);
    assert.match(all.stdout, /^Pod default\/p on 2 nodes: vk-0, vk-1 \(provider mock\): fits\n/);
    assert.match(
      all.stdout,
      /^Pod default\/p on node host \(provider process\): REFUSED\n {2}refused +spec\.hostUsers: /m,
    );
    assert.match(all.stdout, /env +NODE_NAME=host\n/);
    const { fits, pods } = JSON.parse((await plan(yaml, `--config=${config}`, "-o=json")).stdout);
    assert.deepEqual([fits, pods.map(({ nodes }: { nodes: string[] }) => nodes)], [true, [["vk-0", "vk-1"], ["host"]]]);

    const one = await plan(yaml, `--config=${config}`, "--node=host");
    assert.deepEqual([one.code, /vk-0/.test(one.stdout)], [1, false]);
    const none = await plan(yaml, `--config=${config}`, "--node=vk-2");
    assert.deepEqual([none.code, none.stdout], [2, ""]);
    assert.match(none.stderr, /--node vk-2: no such node is configured \(did you mean vk-\d\?\)/);
  });

  test("that there is no token is told once, with the volume where the file has it", async () => {
    const told = async (spec: string): Promise<string[]> =>
      (await plan(pod(spec), ...(await processFlags()))).stdout
        .split("\n")
        .filter((line) => /no ServiceAccount token/.test(line));
    const token = "{name: kube-api-access-x, projected: {sources: [{serviceAccountToken: {path: token}}]}}";
    assert.match((await told("")).join(), /^ +note +the backend takes no projected volumes[^,]*$/);
    assert.match((await told(`volumes: [${token}]`)).join(), /^ +note +spec\.volumes\[0\]\.projected: [^,]*$/);
  });

  test("a provider that does not take its configuration is told with the node that has it", async () => {
    const config = join(directory, "wrong.yaml");
    await writeFile(
      config,
      "nodes:\n  - {name: a, provider: {name: mock}}\n  - {name: b, provider: {name: process, config: {}}}\n",
    );
    const { code, stderr } = await plan(pod(), `--config=${config}`);
    assert.equal(code, 1);
    assert.match(stderr, /^node b: configuration of the process provider: stateDirectory: /);
  });

  const usages: readonly [name: string, yaml: string, flags: readonly string[], expected: RegExp][] = [
    ["no YAML", "{", ["--provider=mock"], /pods\.yaml, document 1: /],
    ["nothing in it", "", ["--provider=mock"], /no pods/],
    ["no kind", "{a: b}", ["--provider=mock"], /it has no kind/],
    ["a pod without containers", "{kind: Pod, metadata: {name: p}, spec: {}}", ["--provider=mock"], /spec\.containers/],
    ["a wrong quantity", pod("", "resources: {limits: {cpu: lots}}"), ["--provider=mock"], /Pod p is no valid object/],
    ["a wrong output", pod(), ["--provider=mock", "-o", "xml"], /-o xml: must be text or json/],
    ["a wrong flag", pod(), ["--provider=mock", "--filname=x"], /did you mean --filename/],
    ["no provider", pod(), [], /has no provider/],
  ];
  for (const [name, yaml, flags, expected] of usages) {
    test(`wrong usage: ${name}`, async () => {
      const { code, stdout, stderr } = await plan(yaml, ...flags);
      assert.match(stderr, expected);
      assert.deepEqual([code, stdout], [2, ""]);
    });
  }

  test("the flags of a sub-command are its own", async () => {
    let stderr = "";
    const write = { write: (text: string) => (stderr += text) };
    const argv = ["-f", "x", "--provider=mock"];
    const quiet = { env: {}, cwd: "/", stdout: write, stderr: write, run: () => Promise.resolve() };
    assert.equal(await program({ ...quiet, argv }), 2);
    assert.match(stderr, /unknown (command|flag)/);
  });
});
