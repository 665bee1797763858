// Why a pod is where it is: table over what the API says of it.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ContainerStatus, PodStatus } from "../kube/types.gen.ts";
import { at, container, factsOf, now, type Shape } from "../testing/why-facts.ts";
import { whyText } from "./why-text.ts";
import { verdictOf } from "./why-verdict.ts";

const waits = (reason: string, message = "", more: Partial<ContainerStatus> = {}): Partial<PodStatus> => ({
  phase: "Running",
  containerStatuses: [container({ state: { waiting: { reason, message } }, ...more })],
});
const ended = (exitCode: number, reason = "Error"): NonNullable<ContainerStatus["state"]> => ({
  terminated: { exitCode, reason, finishedAt: at(5) },
});
const running: Partial<PodStatus> = {
  phase: "Running",
  containerStatuses: [container({ ready: true, state: { running: {} } })],
};

const cases: readonly [name: string, shape: Shape, state: RegExp, cause: RegExp, next: RegExp, nextSeconds?: number][] =
  [
    [
      "no scheduler",
      { spec: { nodeName: "" } },
      /waits for a node/,
      /no scheduler \(default-scheduler\).*5m ago/,
      /runs/,
    ],
    [
      "an untolerated taint",
      {
        spec: { nodeName: "" },
        status: {
          conditions: [
            {
              type: "PodScheduled",
              status: "False",
              message: "0/1 nodes are available: 1 node(s) had untolerated taint {x: y}.",
            },
          ],
        },
      },
      /waits for a node/,
      /untolerated taint/,
      /tolerations: \[\{key: virtual-kubelet\.io\/provider/,
    ],
    [
      "gates",
      { spec: { nodeName: "", schedulingGates: [{ name: "example.com/g" }] } },
      /node/,
      /example\.com\/g/,
      /remove/,
    ],
    ["no such node", { node: null }, /does not exist/, /no node vk/, /--nodename/],
    ["an old lease", { leaseSecondsAgo: 100 }, /not heard of/, /lease 1m40s ago/, /start the program/],
    [
      "an unready node",
      { node: { status: "False", reason: "ProviderFailed", message: "no ping" } },
      /not ready/,
      /no ping/,
      /doctor/,
    ],
    [
      "an unready node of a deleted pod",
      { leaseSecondsAgo: 100, metadata: { deletionTimestamp: at(60), deletionGracePeriodSeconds: 30 } },
      /cannot end/,
      /lease/,
      /--force/,
    ],
    [
      "a deletion",
      { metadata: { deletionTimestamp: at(-20), deletionGracePeriodSeconds: 30 } },
      /being ended/,
      /in 20s/,
      /^$/,
      20,
    ],
    [
      "a finalizer",
      { metadata: { deletionTimestamp: at(20), deletionGracePeriodSeconds: 30, finalizers: ["example.com/f"] } },
      /kept/,
      /example\.com\/f/,
      /controller/,
    ],
    [
      "a finalizer of one that has ended",
      { metadata: { deletionTimestamp: at(20), finalizers: ["example.com/f"] }, status: { phase: "Succeeded" } },
      /kept/,
      /example\.com\/f/,
      /controller/,
    ],
    [
      "a deletion unconfirmed",
      { metadata: { deletionTimestamp: at(20) } },
      /should have ended/,
      /20s ago/,
      /ProviderDeleteFailed/,
    ],
    [
      "a back end that fails",
      {
        status: { reason: "ProviderFailed", message: "quota" },
        events: [{ reason: "ProviderCreateFailed", message: "quota", count: 6, lastTimestamp: at(2) }],
      },
      /did not take it/,
      /quota/,
      /tried again by itself/,
      30,
    ],
    [
      "a refusal held",
      { status: { reason: "OutOfcpu", message: "Pod was rejected: x" } },
      /Failed soon/,
      /OutOfcpu.*rejected/,
      /requests, or make room on the node; it has no controller/,
    ],
    [
      "a refusal of a controller's pod",
      {
        metadata: { ownerReferences: [{ apiVersion: "v1", kind: "X", name: "x", uid: "u", controller: true }] },
        status: { reason: "OutOfcpu", message: "Pod was rejected: x" },
      },
      /Failed soon/,
      /OutOfcpu/,
      /its controller makes another pod/,
    ],
    [
      "a refusal",
      { status: { phase: "Failed", reason: "PodFeatureUnsupported", message: "spec.x" } },
      /has failed/,
      /spec\.x/,
      /plan -f/,
    ],
    [
      "out of memory",
      { status: { phase: "Failed", containerStatuses: [container({ state: ended(137, "OOMKilled") })] } },
      /has failed/,
      /container c ended with 137 \(OOMKilled\)/,
      /memory/,
    ],
    ["success", { status: { phase: "Succeeded" } }, /succeeded/, /0/, /^$/],
    [
      "a crash loop",
      {
        status: waits("CrashLoopBackOff", "back-off 1m20s restarting failed container=c pod=web_default(u)", {
          restartCount: 4,
          lastState: ended(1),
        }),
      },
      /waits to be restarted/,
      /container c ended with 1; 4 restarts/,
      /kubectl logs web -n default -c c --previous/,
      75,
    ],
    [
      "a crash loop of a container that ends well",
      {
        status: waits("CrashLoopBackOff", "back-off 10s restarting failed container=c", {
          lastState: ended(0, "Completed"),
        }),
      },
      /restarted/,
      /ended with 0 \(Completed\)/,
      /use a Job/,
      5,
    ],
    [
      "an image",
      {
        status: waits("ImagePullBackOff", 'Back-off pulling image "x"'),
        events: [{ reason: "Failed", message: 'Failed to pull image "x": not found', count: 3, lastTimestamp: at(10) }],
      },
      /waits for a container/,
      /Failed to pull image "x": not found/,
      /imagePullSecrets/,
      30,
    ],
    [
      "an image that the node cannot have",
      { status: waits("ErrImagePull", 'image "x" is not among the images of this node') },
      /start/,
      /not among/,
      /name the image under images in the configuration/,
    ],
    [
      "a ConfigMap",
      { status: waits("CreateContainerConfigError", 'configmap "a" not found') },
      /start/,
      /"a" not found/,
      /make the ConfigMap/,
    ],
    [
      "an init container",
      {
        status: {
          initContainerStatuses: [container({ name: "i", state: { running: {} } })],
          containerStatuses: [container({ state: { waiting: { reason: "PodInitializing" } } })],
        },
      },
      /initialising/,
      /init container i runs/,
      /-c i/,
    ],
    [
      "a readiness probe",
      {
        status: { phase: "Running", containerStatuses: [container({ started: true, state: { running: {} } })] },
        events: [{ reason: "Unhealthy", message: "Readiness probe failed: HTTP 503", lastTimestamp: at(1) }],
      },
      /not ready/,
      /HTTP 503/,
      /readiness probe/,
    ],
    [
      "a readiness gate",
      { status: running, spec: { readinessGates: [{ conditionType: "example.com/g" }] } },
      /not ready/,
      /example\.com\/g/,
      /controller/,
    ],
    ["nothing", { status: running }, /runs and is ready/, /all its containers run/, /^$/],
    ["nothing known", {}, /Pending/, /not said anything/, /log/],
  ];

describe("verdictOf", () => {
  for (const [name, shape, state, cause, next, nextSeconds] of cases) {
    test(name, () => {
      const facts = factsOf(shape);
      const verdict = verdictOf(facts);
      assert.match(verdict.state, state);
      assert.match(verdict.cause, cause);
      assert.match(verdict.next.join("\n"), next);
      assert.equal(verdict.nextAttempt, nextSeconds === undefined ? undefined : now + nextSeconds * 1000);
      assert.match(whyText(facts, verdict), /^Pod default\/web [^\n]*\.\n {2}why /);
    });
  }
});

test("a volume that lacks something is told by its event", () => {
  const status: Partial<PodStatus> = {
    phase: "Pending",
    containerStatuses: waits("ContainerCreating").containerStatuses ?? [],
  };
  const { cause } = verdictOf(
    factsOf({ status, events: [{ reason: "FailedMount", message: 'secret "s" not found', lastTimestamp: at(1) }] }),
  );
  assert.equal(cause, 'FailedMount: secret "s" not found');
});
