import assert from "node:assert/strict";
import { test } from "node:test";
import type { Container, Pod } from "../../kube/types.gen.ts";
import type { PodReport } from "../../provider/pods.ts";
import { behaviourOf, defaultBehaviour } from "./behaviour.ts";
import { SimulatedPod } from "./simulated-pod.ts";

const prefix = "mock.virtual-kubelet.io/";
const start = Date.UTC(2026, 0, 1);
const owner = { cluster: "c", node: "n", namespace: "default", name: "web", uid: "uid-1" };

interface Story {
  readonly title: string;
  readonly policy?: string;
  readonly init?: readonly Container[];
  readonly containers?: readonly Container[];
  readonly grace?: number;
  readonly annotations?: Readonly<Record<string, string>>;
  /** Seconds from the start, what happens then, and what is seen then. */
  readonly steps: readonly (readonly [at: number, seen: string, act?: (pod: SimulatedPod, now: number) => void])[];
}

const app = { name: "app", image: "app:1" };
const sidecar = (name: string): Container => ({ name, image: "side:1", restartPolicy: "Always" });
const remove = (grace: number) => (pod: SimulatedPod, now: number) => pod.delete(now, grace);

const stories: readonly Story[] = [
  {
    title: "runs for ever by default",
    steps: [
      [0, "app=running"],
      [86_400, "app=running"],
    ],
  },
  {
    title: "waits for its start and becomes ready later",
    annotations: { "start-delay": "2s", "ready-delay": "3s" },
    steps: [
      [1.9, "app=ContainerCreating"],
      [2, "app=running!"],
      [4.9, "app=running!"],
      [5, "app=running"],
    ],
  },
  {
    title: "init containers run one after another, then all main ones",
    init: [
      { name: "one", image: "i:1" },
      { name: "two", image: "i:1" },
    ],
    containers: [app, { name: "other", image: "o:1" }],
    annotations: { "run-time.one": "2s", "run-time.two": "3s" },
    steps: [
      [0, "one=running two=PodInitializing app=PodInitializing other=PodInitializing"],
      [2, "one=0 two=running app=PodInitializing other=PodInitializing"],
      [5, "one=0 two=0 app=running other=running"],
    ],
  },
  {
    title: "a failed init container ends a pod that never restarts",
    policy: "Never",
    init: [{ name: "one", image: "i:1" }],
    annotations: { "exit-code.one": "7" },
    steps: [[0, "one=7 app=PodInitializing"]],
  },
  {
    title: "a failed init container is tried again, although the policy is Always and it ends",
    init: [{ name: "one", image: "i:1" }],
    annotations: { "fail-times.one": "2", "restart-delay": "4s" },
    steps: [
      [0, "one=CrashLoopBackOff*1 app=PodInitializing"],
      [4, "one=0*2 app=running"],
    ],
  },
  {
    title: "a sidecar starts before what comes after it, and stays",
    init: [sidecar("side"), { name: "one", image: "i:1" }],
    annotations: { "run-time.one": "1s" },
    steps: [
      [0, "side=running one=running app=PodInitializing"],
      [1, "side=running one=0 app=running"],
    ],
  },
  {
    title: "sidecars end after the main containers, the last first",
    policy: "Never",
    init: [sidecar("first"), sidecar("second")],
    annotations: { "run-time": "5s", "terminate-delay.first": "1s", "terminate-delay.second": "2s" },
    steps: [
      [5, "first=running second=running app=0"],
      [7, "first=running second=0 app=0"],
      [8, "first=0 second=0 app=0"],
    ],
  },
  {
    title: "a sidecar that does not end is killed after the grace of the pod",
    policy: "Never",
    init: [sidecar("side")],
    grace: 10,
    annotations: { "run-time": "5s", "terminate-delay.side": "1h" },
    steps: [
      [14.9, "side=running app=0"],
      [15, "side=137 app=0"],
    ],
  },
  {
    title: "OnFailure restarts until it succeeds",
    policy: "OnFailure",
    annotations: { "run-time": "1s", "fail-times": "3", "restart-delay": "10s" },
    steps: [
      [1, "app=running*1"],
      [2, "app=CrashLoopBackOff*1"],
      [12, "app=running*2"],
      [13, "app=CrashLoopBackOff*2"],
      [32.9, "app=CrashLoopBackOff*2"],
      [33, "app=running*3"],
      [34, "app=0*3"],
      [9999, "app=0*3"],
    ],
  },
  {
    title: "Never does not restart",
    policy: "Never",
    annotations: { "run-time": "1s", "exit-code": "3" },
    steps: [[9999, "app=3"]],
  },
  {
    title: "Always restarts what succeeded, too, with a capped back-off",
    annotations: { "run-time": "1s", "restart-delay": "1s", "restart-delay-max": "2s" },
    steps: [
      [1, "app=running*1"],
      [2, "app=CrashLoopBackOff*1"],
      [3, "app=running*2"],
      [4, "app=CrashLoopBackOff*2"],
      [6, "app=running*3"],
      [7, "app=CrashLoopBackOff*3"],
      [9, "app=running*4"],
    ],
  },
  {
    title: "a rule of the container restarts by exit code",
    policy: "Never",
    containers: [
      {
        ...app,
        restartPolicy: "Never",
        restartPolicyRules: [{ action: "Restart", exitCodes: { operator: "In", values: [1] } }],
      },
    ],
    annotations: { "fail-times": "1", "exit-code": "5", "run-time": "1s" },
    steps: [
      [1, "app=running*1"],
      [2, "app=5*1"],
    ],
  },
  {
    title: "a deletion ends it by TERM",
    annotations: { "terminate-delay": "2s", "terminate-exit-code": "143" },
    steps: [
      [10, "app=running", remove(30)],
      [12, "app=143"],
    ],
  },
  {
    title: "a deletion kills what outlasts the grace",
    annotations: { "terminate-delay": "60s" },
    steps: [
      [10, "app=running", remove(30)],
      [39.9, "app=running"],
      [40, "app=137"],
    ],
  },
  {
    title: "a shorter grace counts, a longer one does not",
    annotations: { "terminate-delay": "60s" },
    steps: [
      [0, "app=running", remove(30)],
      [1, "app=running", remove(4)],
      [2, "app=running", remove(100)],
      [5, "app=137"],
    ],
  },
  {
    title: "no grace kills at once",
    steps: [
      [10, "app=running", remove(0)],
      [10, "app=137"],
    ],
  },
  {
    title: "a deletion before the start leaves it unstarted",
    annotations: { "start-delay": "5s" },
    steps: [
      [1, "app=ContainerCreating", remove(30)],
      [60, "app=ContainerCreating"],
    ],
  },
  {
    title: "nothing restarts during a deletion",
    annotations: { "fail-times": "9", "run-time": "1s" },
    steps: [
      [2, "app=CrashLoopBackOff*1", remove(30)],
      [3, "app=1*1"],
      [999, "app=1*1"],
    ],
  },
  {
    title: "a failure of the whole pod ends all",
    init: [sidecar("side")],
    steps: [
      [1, "side=running app=running", (pod, now) => pod.fail(now, "Evicted", "reclaimed")],
      [1, "side=137 app=137"],
    ],
  },
];

for (const story of stories) {
  test(story.title, () => {
    const annotations = Object.fromEntries(
      Object.entries(story.annotations ?? {}).map(([key, value]) => [prefix + key, value]),
    );
    const pod = podOf(story, annotations);
    const behaviour = behaviourOf(pod, defaultBehaviour, 0);
    const simulated = new SimulatedPod(
      { owner, pod, revision: "1" },
      behaviour,
      { podIPs: [], hostIPs: undefined },
      start,
    );
    for (const [at, seen, act] of story.steps) {
      const now = start + at * 1000;
      simulated.advance(now);
      assert.equal(summary(simulated.report()), seen, `at ${at} s`);
      act?.(simulated, now);
    }
  });
}

test("an image that changes restarts its container at once; an ephemeral container joins and does not restart", () => {
  const pod = podOf({ title: "", steps: [] }, {});
  const behaviour = behaviourOf(pod, defaultBehaviour, 0);
  const simulated = new SimulatedPod(
    { owner, pod, revision: "1" },
    behaviour,
    { podIPs: [], hostIPs: undefined },
    start,
  );
  simulated.advance(start);
  const changed = {
    ...pod,
    metadata: { ...pod.metadata, annotations: { [`${prefix}run-time.debug`]: "5s" } },
    spec: { containers: [{ ...app, image: "app:2" }], ephemeralContainers: [{ name: "debug", image: "sh:1" }] },
  };
  const next = behaviourOf(changed, defaultBehaviour, 0);
  simulated.update({ owner, pod: changed, revision: "2" }, next, start + 1000);
  simulated.advance(start + 1000);
  assert.equal(summary(simulated.report()), "app=running*1 debug=running");
  assert.equal(simulated.report().containers[0]?.image, "app:2");
  assert.equal(simulated.report().revision, "2");
  simulated.advance(start + 60_000);
  assert.equal(summary(simulated.report()), "app=running*1 debug=0");
});

test("an annotation that cannot be understood is Invalid and named", () => {
  for (const [key, value] of [
    ["run-time", "soon"],
    ["exit-code", "256"],
    ["fail-times", "-1"],
    ["run-tiem", "1s"],
    ["run-time.nobody", "1s"],
    ["start-delay.app", "1s"],
    ["log-interval", "often"],
    ["log-lines.app", "-1"],
    ["log-bytes", "1.5"],
    ["log-bytes", "100Ti"],
    ["log-format", "json"],
    ["main", "bash"],
  ] as const) {
    const pod = podOf({ title: "", steps: [] }, { [prefix + key]: value });
    assert.throws(() => behaviourOf(pod, defaultBehaviour, 0), {
      kind: "Invalid",
      field: `metadata.annotations[${prefix}${key}]`,
    });
  }
});

test("what is drawn from a range depends on UID and seed alone", () => {
  const draw = (uid: string, seed: number): number => {
    const pod = podOf({ title: "", steps: [] }, {}, uid);
    return behaviourOf(pod, { ...defaultBehaviour, startDelay: [1000, 2000] }, seed).startDelay;
  };
  assert.equal(draw("a", 1), draw("a", 1));
  const draws = ["a", "b", "c", "d"].flatMap((uid) => [draw(uid, 1), draw(uid, 2)]);
  assert.ok(new Set(draws).size > 4);
  for (const value of draws) assert.ok(value >= 1000 && value <= 2000);
});

function podOf(
  story: Story,
  annotations: Readonly<Record<string, string>>,
  uid = owner.uid,
): Pod & {
  readonly metadata: { readonly name: string; readonly uid: string; readonly resourceVersion: string };
} {
  return {
    metadata: { name: "web", namespace: "default", uid, resourceVersion: "1", annotations },
    spec: {
      containers: story.containers ?? [app],
      ...(story.init === undefined ? {} : { initContainers: story.init }),
      ...(story.policy === undefined ? {} : { restartPolicy: story.policy }),
      ...(story.grace === undefined ? {} : { terminationGracePeriodSeconds: story.grace }),
    },
  };
}

/** `name=state`, where state is running (with "!" while not ready), the waiting reason or the exit code; "*" and the restarts. */
function summary(report: PodReport): string {
  return report.containers
    .map(({ name, state, ready, restartCount }) => {
      const said = state.running
        ? `running${ready === false ? "!" : ""}`
        : (state.terminated?.exitCode ?? state.waiting?.reason);
      return `${name}=${said}${restartCount ? `*${restartCount}` : ""}`;
    })
    .join(" ");
}
