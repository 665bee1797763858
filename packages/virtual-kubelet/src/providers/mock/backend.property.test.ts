// Whatever is created, deleted, lost and however long it runs: what the backend shows stays a story that can be true.
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { isErrorKind } from "../../errors.ts";
import type { PodReport, PodRequest, PodUpdate } from "../../provider/pods.ts";
import { FakeClock } from "../../testing/fake-clock.ts";
import { reportFaults } from "../../testing/report-faults.ts";
import { AddressPool } from "./addresses.ts";
import { MockBackend } from "./backend.ts";

type Step =
  | { readonly do: "create"; readonly pod: number }
  | { readonly do: "lose" | "update"; readonly pod: number }
  | { readonly do: "delete"; readonly pod: number; readonly grace: number }
  | { readonly do: "exit"; readonly pod: number; readonly code: number }
  | { readonly do: "advance"; readonly ms: number };

const podNumber = fc.nat({ max: 5 });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("create" as const), pod: podNumber }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom("lose" as const, "update" as const), pod: podNumber }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("delete" as const), pod: podNumber, grace: fc.nat({ max: 5 }) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("exit" as const), pod: podNumber, code: fc.nat({ max: 2 }) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("advance" as const), ms: fc.nat({ max: 8000 }) }) },
);

const millis = fc.nat({ max: 4000 }).map((ms) => `${ms}ms`);
const kind = fc.record({
  policy: fc.constantFrom("Always", "OnFailure", "Never"),
  init: fc.nat({ max: 2 }),
  initTime: millis,
  sidecar: fc.boolean(),
  annotations: fc.record(
    {
      "start-delay": millis,
      "run-time": millis,
      "exit-code": fc.constantFrom("0", "1"),
      "fail-times": fc.constantFrom("0", "2"),
      "ready-delay": millis,
      "terminate-delay": millis,
      "restart-delay": fc.constantFrom("1s", "100ms"),
      "restart-delay-max": fc.constant("500ms"),
    },
    { requiredKeys: [] },
  ),
});
type Kind = typeof kind extends fc.Arbitrary<infer T> ? T : never;

function request(number: number, { policy, init, initTime, sidecar, annotations }: Kind): PodRequest {
  const owner = { cluster: "c", node: "n", namespace: "d", name: `pod-${number}`, uid: `uid-${number}` };
  const { name, namespace, uid } = owner;
  const prefixed = Object.entries(annotations).map(([key, value]) => [`mock.virtual-kubelet.io/${key}`, value]);
  for (let i = 0; i < init; i += 1) prefixed.push([`mock.virtual-kubelet.io/run-time.init-${i}`, initTime]);
  const metadata = { name, namespace, uid, resourceVersion: "1", annotations: Object.fromEntries(prefixed) };
  const initContainers = [
    ...(sidecar ? [{ name: "side", image: "s", restartPolicy: "Always" }] : []),
    ...Array.from({ length: init }, (_, i) => ({ name: `init-${i}`, image: "i" })),
  ];
  const containers = [
    { name: "app", image: "a" },
    { name: "other", image: "o" },
  ];
  return { owner, revision: "1", pod: { metadata, spec: { restartPolicy: policy, initContainers, containers } } };
}

/** Init containers are done before a main one runs, and are never begun again afterwards. */
function orderFaults(report: PodReport, { init }: Kind): readonly string[] {
  const hasRun = (name: string): boolean => {
    const container = report.containers.find((candidate) => candidate.name === name);
    return container !== undefined && (container.state.waiting === undefined || container.lastState !== undefined);
  };
  if (!hasRun("app") && !hasRun("other")) return [];
  const unfinished = Array.from({ length: init }, (_, i) => `init-${i}`).filter(
    (name) => report.containers.find((container) => container.name === name)?.state.terminated?.exitCode !== 0,
  );
  return unfinished.map((name) => `main containers run before ${name} has succeeded`);
}

test("random creates, deletions, losses and time keep the invariants", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(kind, { minLength: 6, maxLength: 6 }),
      fc.array(step, { maxLength: 60, size: "max" }),
      async (kinds, steps) => {
        const clock = new FakeClock();
        const backend = new MockBackend({ addresses: [new AddressPool("10.0.0.0/29")], clock });
        const last = new Map<string, PodReport>();
        const deletedAt = new Map<string, number>();
        const see = (report: PodReport): void => {
          const number = Number(report.owner.uid.slice(4));
          const kindOf = kinds[number];
          assert.ok(kindOf !== undefined);
          const before = last.get(report.owner.uid);
          assert.deepEqual(reportFaults(report, request(number, kindOf).pod, before), []);
          assert.deepEqual(orderFaults(report, kindOf), []);
          for (const container of before?.containers ?? []) {
            const now = report.containers.find(({ name }) => name === container.name);
            if (deletedAt.has(report.owner.uid)) {
              assert.equal(now?.restartCount, container.restartCount, `${container.name} restarted in a deletion`);
            }
            if (container.state.terminated !== undefined) {
              assert.deepEqual(now?.state, container.state, `${container.name} left its end`);
            }
          }
          last.set(report.owner.uid, report);
        };
        const forget = (uid: string): void => {
          last.delete(uid);
          deletedAt.delete(uid);
        };
        backend.subscribe("n", (update: PodUpdate) => {
          if (update.type === "report") return see(update.report);
          const { uid } = update.owner;
          assert.ok(
            last.get(uid)?.containers.every(({ state }) => state.running === undefined),
            "gone, although a container was last seen running",
          );
          assert.ok(deletedAt.has(uid), "gone without a deletion");
          forget(uid);
        });
        const ended = new Set<string>();
        for (const todo of steps) {
          if (todo.do === "advance") await clock.advance(todo.ms);
          else {
            const uid = `uid-${todo.pod}`;
            const wanted = request(todo.pod, kinds[todo.pod] ?? assert.fail());
            const existed = backend.list().some(({ owner }) => owner.uid === uid);
            try {
              if (todo.do === "create") {
                const outcome = backend.create(wanted);
                assert.equal(outcome === "exists", existed);
                if (outcome === "startedTwice") assert.ok(ended.has(uid));
                if (outcome === "created") assert.ok(!ended.has(uid));
              } else if (todo.do === "lose") {
                backend.lose(uid);
                forget(uid);
              } else if (todo.do === "update") backend.update(wanted);
              else if (todo.do === "exit") backend.exitContainer(uid, "app", todo.code);
              else if (todo.do === "delete") {
                if (existed) {
                  ended.add(uid);
                  const end = clock.now() + todo.grace * 1000;
                  deletedAt.set(uid, Math.min(deletedAt.get(uid) ?? Number.POSITIVE_INFINITY, end));
                }
                backend.delete(uid, todo.grace);
              }
            } catch (error) {
              assert.ok(isErrorKind(error, "NotFound"), String(error));
            }
          }
          const reports = backend.list();
          for (const report of reports) see(report);
          const uids = reports.map(({ owner }) => owner.uid);
          assert.equal(new Set(uids).size, uids.length, "a pod is there twice");
          const ips = reports.flatMap(({ podIPs }) => podIPs ?? []);
          assert.equal(new Set(ips).size, ips.length, "two pods share an address");
          for (const [uid, until] of deletedAt) {
            assert.ok(clock.now() < until || !uids.includes(uid), "there after its grace");
          }
        }
        backend.close();
        assert.equal(clock.pending, 0, "a timer is left");
      },
    ),
    { numRuns: 150 },
  );
});
