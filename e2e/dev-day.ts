// A day with kubectl: what a user does with a cluster of two virtual nodes from morning to evening, and what they read. The pods
// that matter are processes of this machine, which needs root on Linux.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, readFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect } from "../packages/virtual-kubelet/src/kube/connect.ts";
import type { ControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { freePort } from "../packages/virtual-kubelet/src/testing/free-port.ts";
import { eventually, Harness, type MockNode, mockNode, type RunningKubelet } from "./harness.ts";
import { type Client, type Ended, runKubectl, startKubectl } from "./kubectl.ts";
import { ownAddress, ProcessSubject } from "./semantics.ts";

export interface DayOptions {
  readonly name: string;
  readonly start: () => Promise<ControlPlane>;
  readonly clients: readonly Client[];
  /** Whether something serves metrics.k8s.io. */
  readonly hasMetrics: boolean;
  /** Whether custom resources are refused. */
  readonly refusesCustomResources: boolean;
}

const definition = `
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: foos.example.com}
spec: {group: example.com, scope: Namespaced, names: {plural: foos, kind: Foo}, versions: []}
`;

/** Registers the day on one control plane, once for each kubectl. */
export function kubectlDay(options: DayOptions): void {
  const skip = process.getuid?.() === 0 ? false : "processes in namespaces need root on Linux";
  describe(`a day on ${options.name}`, { timeout: 300_000, skip }, () => {
    let harness: Harness;
    let subject: ProcessSubject;
    let spare: MockNode;
    let kubelet: RunningKubelet;
    let port: number;

    before(async () => {
      const plane = await options.start();
      harness = new Harness(plane, await connect({ kubeconfig: plane.kubeconfig }));
      subject = new ProcessSubject({}, ownAddress());
      port = await freePort();
      const program = await harness.program(["--nodename", subject.node, ...subject.flags]);
      spare = await mockNode("spare");
      kubelet = await harness.kubelet([spare]);
      await harness.nodeIsReady(subject.node, program);
      await harness.nodeIsReady("spare");
    });
    after(async () => {
      await kubelet?.stop();
      await harness?.[Symbol.asyncDispose]();
      await subject?.[Symbol.asyncDispose]();
    });

    for (const client of options.clients) describe(client.name, () => day(client));

    function day(client: Client): void {
      const namespace = client.name.replaceAll(/\W+/g, "-");
      const run = (args: readonly string[], input = ""): Promise<Ended> =>
        runKubectl(harness, client, ["--namespace", namespace, ...args], input);
      /** It must succeed; its standard output, and its standard error after it. */
      const says = async (...args: readonly string[]): Promise<string> => {
        const { stdout, stderr, code } = await run(args);
        assert.equal(code, 0, `kubectl ${args.join(" ")}: ${stdout.toString()}${stderr}`);
        return `${stdout.toString()}${stderr}`.trim();
      };
      const apply = async (document: object | string, ...args: readonly string[]): Promise<Ended> =>
        run(["apply", ...args, "-f", "-"], typeof document === "string" ? document : JSON.stringify(document));
      const applied = async (document: object, ...args: readonly string[]): Promise<string> => {
        const { stdout, stderr, code } = await apply(document, ...args);
        assert.equal(code, 0, stderr);
        return stdout.toString().trim();
      };
      const tolerations = [{ key: "virtual-kubelet.io/provider", operator: "Exists" }];
      const script = (what: string): object => ({
        name: "main",
        image: "registry.example/host:1",
        command: ["/bin/sh", "-c", what],
      });
      const here = (): object => ({ "kubernetes.io/hostname": subject.node });
      const podOf = (name: string, what: string, spec: object = {}): object => ({
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name, labels: { app: name } },
        spec: {
          nodeSelector: here(),
          tolerations,
          terminationGracePeriodSeconds: 1,
          containers: [script(what)],
          ...spec,
        },
      });
      const talk = "trap 'exit 0' TERM; echo hello; while :; do sleep 0.1; done";
      const web = (change: { readonly image?: string } = {}): object => ({
        apiVersion: "apps/v1",
        kind: "Deployment",
        metadata: { name: "web" },
        spec: {
          replicas: 2,
          selector: { matchLabels: { app: "web" } },
          template: {
            metadata: { labels: { app: "web" } },
            spec: {
              tolerations,
              terminationGracePeriodSeconds: 1,
              nodeSelector: here(),
              containers: [{ ...script(talk), ...change, ports: [{ name: "http", containerPort: 80 }] }],
            },
          },
        },
      });

      it("applies a Deployment and sees it run", async () => {
        await says("create", "namespace", namespace);
        assert.equal(await applied(web()), "deployment.apps/web created");
        assert.equal(await applied(web()), "deployment.apps/web unchanged");
        assert.match(await says("rollout", "status", "deployment/web", "--timeout=60s"), /successfully rolled out$/);
        assert.match(
          await says("get", "deployments"),
          /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +2\/2 +2 +2 +\d+s$/,
        );
        const wide = await says("get", "pods", "-o", "wide", "-l", "app=web");
        assert.match(wide, /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES$/m);
        assert.equal(wide.match(new RegExp(`^web-\\S+ +1/1 +Running +0 .* ${subject.node} `, "gm"))?.length, 2, wide);
        const yaml = await says("get", "deployment", "web", "-o", "yaml");
        assert.match(yaml, /^ {2}readyReplicas: 2$/m);
        const phases = await says("get", "pods", "-o", "jsonpath={.items[*].status.phase}");
        assert.equal(phases, "Running Running");
        assert.match(await says("get", "all"), /^replicaset\.apps\/web-\S+ +2 +2 +2 /m);
        assert.match(await says("get", "nodes"), new RegExp(`^${subject.node} +Ready +\\S+ +\\d+[sm]\\S* +v1\\.`, "m"));
      });

      it("describes what there is", async () => {
        const pod = (await says("get", "pods", "-o", "name")).split("\n")[0] ?? "";
        const described = await says("describe", pod);
        assert.match(described, new RegExp(`^Node: +${subject.node}/`, "m"));
        assert.match(described, /^Controlled By: +ReplicaSet\/web-/m);
        assert.match(described, /^ +Normal +Scheduled +.*Successfully assigned/m);
        assert.match(described, /^ +Normal +Started +/m);
        const deployment = await says("describe", "deployment", "web");
        assert.match(deployment, /^Replicas: +2 desired \| 2 updated \| 2 total \| 2 available \| 0 unavailable$/m);
        assert.match(deployment, /^ +Available +True +MinimumReplicasAvailable$/m);
        assert.match(deployment, /ScalingReplicaSet .* Scaled up replica set web-\S+ from 0 to 2/);
        const node = await says("describe", "node", subject.node);
        assert.match(node, new RegExp(`^ +${namespace} +web-`, "m"));
        assert.match(await says("events", "--for", pod), /Scheduled +Pod\/web-/);
        assert.match(await says("get", "events", "--field-selector", "reason=Scheduled"), /Successfully assigned/);
      });

      it("sees what a change would be, and what a field is", async () => {
        const { code, stdout } = await run(
          ["diff", "-f", "-"],
          JSON.stringify(web({ image: "registry.example/host:2" })),
        );
        assert.equal(code, 1);
        assert.match(stdout.toString(), /^-.* image: registry.example\/host:1\n\+.* image: registry.example\/host:2$/m);
        assert.equal((await run(["diff", "-f", "-"], JSON.stringify(web()))).code, 0);
        assert.match(await says("explain", "pod.spec.containers.image"), /^FIELD: image <string>$/m);
        assert.match(await says("explain", "deployment.spec"), /^ +replicas\t<integer>$/m);
        assert.match(
          await says("api-resources", "--api-group=apps"),
          /^deployments +deploy +apps\/v1 +true +Deployment$/m,
        );
        const wrong = await apply({ ...web(), spec: { replica: 2 } });
        assert.match(wrong.stderr, /unknown field "spec.replica"/);
        const dry = await applied(web({ image: "registry.example/host:2" }), "--dry-run=server");
        assert.equal(dry, "deployment.apps/web configured (server dry run)");
      });

      it("edits, scales, labels and annotates", async () => {
        const editing = { ...client, env: { ...client.env, KUBE_EDITOR: "sed -i s/replicas:.2/replicas:\\ 3/" } };
        const edited = await runKubectl(harness, editing, ["--namespace", namespace, "edit", "deployment", "web"]);
        assert.equal(edited.stdout.toString().trim(), "deployment.apps/web edited", edited.stderr);
        await says("rollout", "status", "deployment/web", "--timeout=60s");
        assert.match(await says("get", "deployment", "web"), /web +3\/3/);
        assert.equal(await says("scale", "deployment/web", "--replicas=2"), "deployment.apps/web scaled");
        await says("wait", "deployment/web", "--for=jsonpath={.status.replicas}=2", "--timeout=60s");
        assert.equal(await says("label", "deployment", "web", "tier=front"), "deployment.apps/web labeled");
        assert.match(await says("get", "deployments", "-l", "tier in (front)", "--show-labels"), /tier=front/);
        assert.equal(await says("annotate", "deployment", "web", "note=a day"), "deployment.apps/web annotated");
        const note = await says("get", "deployment", "web", "-o", "jsonpath={.metadata.annotations.note}");
        assert.equal(note, "a day");
      });

      it("rolls out, back, and out again", async () => {
        await says("set", "image", "deployment/web", "main=registry.example/host:2");
        await says("rollout", "status", "deployment/web", "--timeout=60s");
        assert.match(await says("rollout", "history", "deployment/web"), /^1 +<none>\n2 +<none>$/m);
        assert.match(
          await says("rollout", "history", "deployment/web", "--revision=2"),
          /Image:\tregistry.example\/host:2/,
        );
        assert.match(await says("rollout", "undo", "deployment/web"), /^deployment.apps\/web rolled back$/m);
        await says("rollout", "status", "deployment/web", "--timeout=60s");
        const image = await says("get", "deployment", "web", "-o", "jsonpath={..image}");
        assert.equal(image, "registry.example/host:1");
        assert.equal(await says("rollout", "restart", "deployment/web"), "deployment.apps/web restarted");
        await says("rollout", "status", "deployment/web", "--timeout=60s");
        assert.match(await says("rollout", "history", "deployment/web"), /^2 +<none>\n3 +<none>\n4 +<none>$/m);
        await says("rollout", "pause", "deployment/web");
        await says("rollout", "resume", "deployment/web");
      });

      it("reads logs, also of the run before, and follows them", async () => {
        const again =
          '[ -e "$HOME/ran" ] || { echo first; touch "$HOME/ran"; exit 1; }; echo second; while :; do sleep 0.1; done';
        const home = join(subject.directory, namespace);
        mkdirSync(home);
        chmodSync(home, 0o777);
        await applied(podOf("again", again.replaceAll("$HOME", home)));
        await says(
          "wait",
          "pod/again",
          "--for=jsonpath={.status.containerStatuses[0].restartCount}=1",
          "--timeout=60s",
        );
        await eventually(
          "its log",
          20_000,
          async () => (await run(["logs", "again"])).stdout.toString() === "second\n",
        );
        assert.equal(await says("logs", "again", "--previous"), "first");
        await applied(podOf("ends", "for i in 1 2 3; do echo $i; sleep 0.3; done", { restartPolicy: "Never" }));
        await says("wait", "pod/ends", "--for=jsonpath={.status.phase}", "--timeout=60s");
        await eventually("it has begun", 20_000, async () => (await run(["logs", "ends"])).code === 0);
        assert.equal(await says("logs", "-f", "ends"), "1\n2\n3");
        assert.match(await says("get", "pod", "ends"), /ends +0\/1 +Completed/);
        const missing = await run(["logs", "again", "-c", "none"]);
        assert.match(missing.stderr, /container none is not valid for pod again/);
      });

      it("runs commands, copies files, and reaches ports", async () => {
        const serve = `exec ${process.execPath} -e 'require("http").createServer((_, r) => r.end("served\\n")).listen(${port}, "127.0.0.1", () => console.log("up"))'`;
        await applied(podOf("server", serve));
        await says("wait", "pod/server", "--for=condition=Ready", "--timeout=60s");
        await eventually("it serves", 20_000, async () => (await run(["logs", "server"])).stdout.toString() === "up\n");
        const failed = await run(["exec", "server", "--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
        assert.deepEqual([failed.stdout.toString(), failed.code], ["out\n", 7]);
        assert.match(failed.stderr, /^err$/m);
        assert.equal((await run(["exec", "-i", "server", "--", "cat"], "typed")).stdout.toString(), "typed");
        const folder = join(subject.directory, namespace);
        await says("cp", "package.json", `server:${folder}/copied`);
        await says("cp", `server:${folder}/copied`, join(folder, "back"));
        assert.equal(readFileSync(join(folder, "back"), "utf8"), readFileSync("package.json", "utf8"));
        await using forwarding = startKubectl(
          harness,
          client,
          "--namespace",
          namespace,
          "port-forward",
          "pod/server",
          `:${port}`,
        );
        await forwarding.says(/Forwarding from 127\.0\.0\.1:\d+/);
        const local = /127\.0\.0\.1:(\d+)/.exec(forwarding.stdout)?.[1];
        assert.equal(await fetched(`http://127.0.0.1:${local}/`), "served\n");
        await says("delete", "pod", "server");
      });

      it("gives a Service its endpoints", async () => {
        assert.equal(
          await says("expose", "deployment", "web", "--port=8080", "--target-port=http"),
          "service/web exposed",
        );
        assert.match(await says("get", "service", "web"), /web +ClusterIP +\d+\.\d+\.\d+\.\d+ +<none> +8080\/TCP/);
        await eventually("two endpoints", 20_000, async () => {
          const slices = await says("get", "endpointslices", "-l", "kubernetes.io/service-name=web");
          return /IPv4 +80 +\S+,\S+ /.test(slices);
        });
        assert.match(await says("describe", "service", "web"), /^Endpoints: +\S+:80,\S+:80$/m);
      });

      it("applies on the server, and is told of others' fields", async () => {
        const map = (value: string): object => ({
          apiVersion: "v1",
          kind: "ConfigMap",
          metadata: { name: "shared" },
          data: { value },
        });
        assert.equal(await applied(map("1"), "--server-side"), "configmap/shared serverside-applied");
        const refused = await apply(map("2"), "--server-side", "--field-manager=other");
        assert.equal(refused.code, 1);
        assert.match(refused.stderr, /Apply failed with 1 conflict: conflict with "kubectl": \.data\.value/);
        await applied(map("2"), "--server-side", "--field-manager=other", "--force-conflicts");
        assert.equal(await says("get", "configmap", "shared", "-o", "jsonpath={.data.value}"), "2");
      });

      it("runs Jobs, and CronJobs by hand", async () => {
        const batch = (kind: string, name: string, spec: object): object => ({
          apiVersion: "batch/v1",
          kind,
          metadata: { name },
          spec,
        });
        const template = {
          spec: {
            restartPolicy: "Never",
            tolerations,
            nodeSelector: here(),
            containers: [script("echo $JOB_COMPLETION_INDEX")],
          },
        };
        await applied(batch("Job", "numbered", { completions: 2, completionMode: "Indexed", template }));
        assert.match(await says("wait", "job/numbered", "--for=condition=Complete", "--timeout=60s"), /condition met/);
        assert.match(await says("get", "jobs"), /numbered +Complete +2\/2/);
        assert.equal(await says("logs", "-l", "batch.kubernetes.io/job-completion-index=1"), "1");
        await applied(batch("CronJob", "nightly", { schedule: "0 3 * * *", jobTemplate: { spec: { template } } }));
        assert.match(await says("get", "cronjobs"), /nightly +0 3 \* \* \* +<none> +False +0 +<none>/);
        await says("create", "job", "now", "--from=cronjob/nightly");
        await says("wait", "job/now", "--for=condition=Complete", "--timeout=60s");
      });

      it("asks what it may do, as itself and as another", async () => {
        assert.equal(await says("auth", "can-i", "create", "pods"), "yes");
        const other = await run(["auth", "can-i", "list", "secrets", "--as", "somebody"]);
        assert.deepEqual([other.stdout.toString().trim(), other.code], ["no", 1]);
        assert.match(await says("auth", "whoami"), /system:masters/);
        const token = await says("create", "token", "default", "--duration=1h");
        const asked = ["--token", token, "--kubeconfig", "/dev/null", "--server", harness.cluster.server];
        const who = await run([...asked, "--certificate-authority", harness.cluster.caFile, "auth", "whoami"]);
        assert.match(who.stdout.toString(), new RegExp(`system:serviceaccount:${namespace}:default`), who.stderr);
      });

      it("drains a node within a budget, and gives it back", async () => {
        const kept = { ...web(), metadata: { name: "kept" } };
        const template = {
          metadata: { labels: { app: "kept" } },
          spec: {
            tolerations,
            terminationGracePeriodSeconds: 1,
            containers: [script(talk)],
            affinity: {
              nodeAffinity: {
                preferredDuringSchedulingIgnoredDuringExecution: [
                  {
                    weight: 100,
                    preference: {
                      matchExpressions: [{ key: "kubernetes.io/hostname", operator: "In", values: [subject.node] }],
                    },
                  },
                ],
              },
            },
          },
        };
        await applied({ ...kept, spec: { replicas: 2, selector: { matchLabels: { app: "kept" } }, template } });
        await says("rollout", "status", "deployment/kept", "--timeout=60s");
        await says("create", "poddisruptionbudget", "kept", "--selector=app=kept", "--min-available=1");
        await says("wait", "pdb/kept", "--for=jsonpath={.status.disruptionsAllowed}=1", "--timeout=60s");
        await says("delete", "deployment", "web");
        await says("cordon", subject.node);
        assert.match(await says("get", "node", subject.node), /Ready,SchedulingDisabled/);
        const drained = await says(
          "drain",
          subject.node,
          "--force",
          "--delete-emptydir-data",
          "--pod-selector=app=kept",
          "--timeout=60s",
        );
        assert.match(drained, new RegExp(`node/${subject.node} drained$`, "m"));
        await says("rollout", "status", "deployment/kept", "--timeout=60s");
        const nodes = await says("get", "pods", "-l", "app=kept", "-o", "jsonpath={.items[*].spec.nodeName}");
        assert.deepEqual([...new Set(nodes.split(" "))], ["spare"]);
        assert.equal(await says("uncordon", subject.node), `node/${subject.node} uncordoned`);
        await says("patch", "pdb", "kept", "-p", '{"spec":{"minAvailable":2}}');
        await says("wait", "pdb/kept", "--for=jsonpath={.status.disruptionsAllowed}=0", "--timeout=60s");
        const name = await says("get", "pods", "-l", "app=kept", "-o", "jsonpath={.items[0].metadata.name}");
        const eviction = { apiVersion: "policy/v1", kind: "Eviction", metadata: { name, namespace } };
        const path = `/api/v1/namespaces/${namespace}/pods/${name}/eviction`;
        const held = await run(["create", "--raw", path, "-f", "-"], JSON.stringify(eviction));
        assert.equal(held.code, 1);
        assert.match(held.stderr, /Cannot evict pod as it would violate the pod's disruption budget/);
      });

      if (options.hasMetrics)
        it("sees what is used", async () => {
          const top = async (pattern: RegExp, ...args: readonly string[]): Promise<unknown> =>
            eventually(`kubectl top ${args.join(" ")}`, 30_000, async () =>
              pattern.test((await run(["top", ...args])).stdout.toString()),
            );
          await top(new RegExp(`^${subject.node} +\\d+m +\\d+% +\\d+Mi +\\d+%`, "m"), "nodes");
          await top(/^again +\d+m +\d+Mi/m, "pods", "again");
        });

      if (options.refusesCustomResources)
        it("is told that there are no custom resources", async () => {
          const { code, stderr } = await apply(definition);
          assert.equal(code, 1);
          assert.match(stderr, /there are no custom resources, only the built-in ones/);
        });

      it("cleans up", async () => {
        assert.match(await says("delete", "pods", "--all", "--wait=false"), /pod "again" (force )?deleted/);
        assert.match(
          await says("delete", "namespace", namespace, "--timeout=60s"),
          new RegExp(`namespace "${namespace}" deleted`),
        );
        const left = await run(["get", "namespace", namespace]);
        assert.match(left.stderr, new RegExp(`namespaces "${namespace}" not found`));
        assert.deepEqual(spare.backend.list(), []);
      });
    }
  });
}

async function fetched(url: string): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  get(url, (response) => {
    response.toArray().then((chunks: Buffer[]) => resolve(Buffer.concat(chunks).toString()), reject);
  }).once("error", reject);
  return promise;
}
