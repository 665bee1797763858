// The part of a day that is about workloads: applied, looked at, changed, rolled out and back, reached by a Service.
import assert from "node:assert/strict";
import { it } from "node:test";
import { type DayUser, script, soon, tolerations } from "./dev-day-user.ts";
import { eventually } from "./harness.ts";
import { runKubectl } from "./kubectl.ts";

export function workloadSteps(user: DayUser): void {
  const { client, namespace, bench, run, says, apply, applied, here, web } = user;

  it("applies a Deployment and sees it run", async () => {
    await says("create", "namespace", namespace);
    assert.equal(await applied(web()), "deployment.apps/web created");
    assert.equal(await applied(web()), "deployment.apps/web unchanged");
    assert.match(await says("rollout", "status", "deployment/web", "--timeout=300s"), /successfully rolled out$/);
    assert.match(await says("get", "deployments"), /^NAME +READY +UP-TO-DATE +AVAILABLE +AGE\nweb +2\/2 +2 +2 +\d+s$/);
    const wide = await says("get", "pods", "-o", "wide", "-l", "app=web");
    assert.match(wide, /^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE +NOMINATED NODE +READINESS GATES$/m);
    assert.equal(
      wide.match(new RegExp(`^web-\\S+ +1/1 +Running +0 .* ${bench().subject.node} `, "gm"))?.length,
      2,
      wide,
    );
    const yaml = await says("get", "deployment", "web", "-o", "yaml");
    assert.match(yaml, /^ {2}readyReplicas: 2$/m);
    const phases = await says("get", "pods", "-o", "jsonpath={.items[*].status.phase}");
    assert.equal(phases, "Running Running");
    assert.match(await says("get", "all"), /^replicaset\.apps\/web-\S+ +2 +2 +2 /m);
    assert.match(
      await says("get", "nodes"),
      new RegExp(`^${bench().subject.node} +Ready +\\S+ +\\d+[sm]\\S* +v1\\.`, "m"),
    );
  });

  it("describes what there is", async () => {
    const pod = (await says("get", "pods", "-o", "name")).split("\n")[0] ?? "";
    // Events are written beside what they are about.
    await soon("a pod", async () => {
      const described = await says("describe", pod);
      assert.match(described, new RegExp(`^Node: +${bench().subject.node}/`, "m"));
      assert.match(described, /^Controlled By: +ReplicaSet\/web-/m);
      assert.match(described, /^ +Normal +Scheduled +.*Successfully assigned/m);
      assert.match(described, /^ +Normal +Started +/m);
    });
    await soon("a Deployment", async () => {
      const deployment = await says("describe", "deployment", "web");
      assert.match(deployment, /^Replicas: +2 desired \| 2 updated \| 2 total \| 2 available \| 0 unavailable$/m);
      assert.match(deployment, /^ +Available +True +MinimumReplicasAvailable$/m);
      assert.match(deployment, /ScalingReplicaSet .* Scaled up replica set web-\S+ from 0 to 2/);
    });
    const node = await says("describe", "node", bench().subject.node);
    assert.match(node, new RegExp(`^ +${namespace} +web-`, "m"));
    assert.match(await says("events", "--for", pod), /Scheduled +Pod\/web-/);
    assert.match(await says("get", "events", "--field-selector", "reason=Scheduled"), /Successfully assigned/);
  });

  it("sees what a change would be, and what a field is", async () => {
    const { code, stdout } = await run(["diff", "-f", "-"], JSON.stringify(web({ image: "registry.example/host:2" })));
    assert.equal(code, 1);
    assert.match(stdout.toString(), /^-.* image: registry.example\/host:1\n\+.* image: registry.example\/host:2$/m);
    assert.equal((await run(["diff", "-f", "-"], JSON.stringify(web()))).code, 0);
    assert.match(await says("explain", "pod.spec.containers.image"), /^FIELD: image <string>$/m);
    assert.match(await says("explain", "deployment.spec"), /^ +replicas\t<integer>$/m);
    assert.match(await says("api-resources", "--api-group=apps"), /^deployments +deploy +apps\/v1 +true +Deployment$/m);
    const wrong = await apply({ ...web(), spec: { replica: 2 } });
    assert.match(wrong.stderr, /unknown field "spec.replica"/);
    const dry = await applied(web({ image: "registry.example/host:2" }), "--dry-run=server");
    assert.equal(dry, "deployment.apps/web configured (server dry run)");
  });

  it("edits, scales, labels and annotates", async () => {
    const editing = { ...client, env: { ...client.env, KUBE_EDITOR: "sed -i s/replicas:.2/replicas:\\ 3/" } };
    const edited = await runKubectl(bench().harness, editing, ["--namespace", namespace, "edit", "deployment", "web"]);
    assert.equal(edited.stdout.toString().trim(), "deployment.apps/web edited", edited.stderr);
    await says("rollout", "status", "deployment/web", "--timeout=300s");
    assert.match(await says("get", "deployment", "web"), /web +3\/3/);
    assert.equal(await says("scale", "deployment/web", "--replicas=2"), "deployment.apps/web scaled");
    await says("wait", "deployment/web", "--for=jsonpath={.status.replicas}=2", "--timeout=300s");
    assert.equal(await says("label", "deployment", "web", "tier=front"), "deployment.apps/web labeled");
    assert.match(await says("get", "deployments", "-l", "tier in (front)", "--show-labels"), /tier=front/);
    assert.equal(await says("annotate", "deployment", "web", "note=a day"), "deployment.apps/web annotated");
    const note = await says("get", "deployment", "web", "-o", "jsonpath={.metadata.annotations.note}");
    assert.equal(note, "a day");
  });

  it("rolls out, back, and out again", async () => {
    await says("set", "image", "deployment/web", "main=registry.example/host:2");
    await says("rollout", "status", "deployment/web", "--timeout=300s");
    assert.match(await says("rollout", "history", "deployment/web"), /^1 +<none>\n2 +<none>$/m);
    assert.match(
      await says("rollout", "history", "deployment/web", "--revision=2"),
      /Image:\tregistry.example\/host:2/,
    );
    assert.match(await says("rollout", "undo", "deployment/web"), /^deployment.apps\/web rolled back$/m);
    await says("rollout", "status", "deployment/web", "--timeout=300s");
    const image = await says("get", "deployment", "web", "-o", "jsonpath={..image}");
    assert.equal(image, "registry.example/host:1");
    assert.equal(await says("rollout", "restart", "deployment/web"), "deployment.apps/web restarted");
    await says("rollout", "status", "deployment/web", "--timeout=300s");
    assert.match(await says("rollout", "history", "deployment/web"), /^2 +<none>\n3 +<none>\n4 +<none>$/m);
    await says("rollout", "pause", "deployment/web");
    await says("rollout", "resume", "deployment/web");
  });

  it("goes back with StatefulSets and DaemonSets, too", async () => {
    for (const kind of ["StatefulSet", "DaemonSet"]) {
      const name = `${kind.toLowerCase()}/back`;
      const labels = { app: kind.toLowerCase() };
      const spec = {
        tolerations,
        terminationGracePeriodSeconds: 1,
        nodeSelector: { "kubernetes.io/hostname": "spare" },
        containers: [{ name: "c", image: "registry.example/app:1" }],
      };
      const template = { metadata: { labels }, spec };
      const done = async (): Promise<unknown> => says("rollout", "status", name, "--timeout=300s");
      const image = async (): Promise<string> => says("get", name, "-o", "jsonpath={..image}");
      await applied({
        apiVersion: "apps/v1",
        kind,
        metadata: { name: "back", annotations: { "kubernetes.io/change-cause": "the first" } },
        spec: { selector: { matchLabels: labels }, template },
      });
      await done();
      await says("set", "image", name, "c=registry.example/app:2");
      await done();
      assert.match(await says("rollout", "history", name), /^1 +the first\n2 +the first$/m);
      assert.match(await says("rollout", "history", name, "--revision=1"), /Image:\tregistry.example\/app:1/);
      assert.match(await says("rollout", "undo", name), /^\S+\.apps\/back rolled back$/m);
      await done();
      assert.equal(await image(), "registry.example/app:1");
      assert.match(await says("rollout", "history", name), /^2 +the first\n3 +the first$/m);
      const revisions = await says("get", "controllerrevisions", "-l", `app=${labels.app}`);
      assert.match(revisions, new RegExp(`^back-\\S+ +${kind.toLowerCase()}.apps/back +3 `, "m"));
      assert.match(await says("rollout", "undo", name, "--to-revision=2"), /rolled back$/m);
      await done();
      assert.equal(await image(), "registry.example/app:2");
      await says("delete", name);
    }
  });

  it("claims volumes that nobody brings", async () => {
    const labels = { app: "claims" };
    const spec = { containers: [{ name: "c", image: "registry.example/app:1" }] };
    await applied({
      apiVersion: "apps/v1",
      kind: "StatefulSet",
      metadata: { name: "claims" },
      spec: {
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec },
        volumeClaimTemplates: [
          {
            metadata: { name: "data" },
            spec: { accessModes: ["ReadWriteOnce"], resources: { requests: { storage: "1Gi" } } },
          },
        ],
      },
    });
    await soon("a pod that waits", async () => {
      const waits = "jsonpath={.status.conditions[0].reason}: {.status.conditions[0].message}";
      // The event says what was so at first: perhaps that there is no claim yet.
      assert.match(
        await says("get", "pod", "claims-0", "-o", waits),
        /^Unschedulable: .*pod has unbound immediate PersistentVolumeClaims/,
      );
      assert.match(await says("describe", "pod", "claims-0"), /FailedScheduling/);
    });
    assert.match(await says("get", "pvc"), /^data-claims-0 +Pending /m);
    await says("delete", "statefulset/claims", "pvc/data-claims-0");
  });

  it("asks for more pods by cpu, in both versions", async () => {
    const asked = await says("autoscale", "deployment", "web", "--min=2", "--max=3", "--cpu-percent=500");
    assert.match(asked, /horizontalpodautoscaler.autoscaling\/web autoscaled$/m);
    const share = "jsonpath={.apiVersion} {.spec.metrics[0].resource.target.averageUtilization}";
    assert.equal(await says("get", "hpa", "web", "-o", share), "autoscaling/v2 500");
    const older = "jsonpath={.apiVersion} {.spec.targetCPUUtilizationPercentage}";
    assert.equal(
      await says("get", "horizontalpodautoscalers.v1.autoscaling", "web", "-o", older),
      "autoscaling/v1 500",
    );
    await soon("its target", async () =>
      assert.match(
        await says("describe", "hpa", "web"),
        /resource cpu on pods +\(as a percentage of request\): +.* \/ 500%/,
      ),
    );
    await says("delete", "hpa", "web");
  });

  it("reads events in both groups", async () => {
    assert.match(
      await says("events", "--for", "deployment/web"),
      / Normal +ScalingReplicaSet +Deployment\/web +Scaled up/,
    );
    const about = [
      "--field-selector",
      "reason=ScalingReplicaSet,regarding.name=web",
      "-o",
      "jsonpath={.items[0].note}",
    ];
    assert.match(await says("get", "events.v1.events.k8s.io", ...about), /^Scaled \w+ replica set web-/);
  });

  it("gives a Service its endpoints", async () => {
    assert.equal(await says("expose", "deployment", "web", "--port=8080", "--target-port=http"), "service/web exposed");
    assert.match(await says("get", "service", "web"), /web +ClusterIP +\d+\.\d+\.\d+\.\d+ +<none> +8080\/TCP/);
    await eventually("two endpoints", 20_000, async () => {
      const slices = await says("get", "endpointslices", "-l", "kubernetes.io/service-name=web");
      return /IPv4 +80 +\S+,\S+ /.test(slices);
    });
    await soon("both in its description", async () =>
      assert.match(await says("describe", "service", "web"), /^Endpoints: +\S+:80,\S+:80$/m),
    );
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
    assert.match(await says("wait", "job/numbered", "--for=condition=Complete", "--timeout=300s"), /condition met/);
    assert.match(await says("get", "jobs"), /numbered +Complete +2\/2/);
    assert.equal(await says("logs", "-l", "batch.kubernetes.io/job-completion-index=1"), "1");
    await applied(batch("CronJob", "yearly", { schedule: "0 3 1 1 *", jobTemplate: { spec: { template } } }));
    assert.match(await says("get", "cronjobs"), /yearly +0 3 1 1 \* +<none> +False +0 +<none>/);
    await says("create", "job", "now", "--from=cronjob/yearly");
    await says("wait", "job/now", "--for=condition=Complete", "--timeout=300s");
  });
}
