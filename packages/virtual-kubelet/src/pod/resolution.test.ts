// Pods whose provider wants them resolved: nothing goes to it before all is there, changes of volumes follow, and others pay nothing.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import type { Stored } from "../kube/resource.ts";
import type { Pod } from "../kube/types.gen.ts";
import type { VolumeKind } from "../provider/capabilities.ts";
import type { Provider } from "../provider.ts";
import type { ReferenceFault, Resolution, ResolvedPod, ResolvedVolume } from "../resolved-pod.ts";
import { PodBench, type PodBenchOptions } from "../testing/pod-bench.ts";
import type { PodController } from "./pod-controller.ts";
import type { PodResolution } from "./resolution.ts";

const minute = 60_000;

const files = (name: string, text: string): ResolvedVolume => ({
  name,
  type: "files",
  memory: false,
  files: [{ path: "key", mode: 0o644, data: Buffer.from(text), secret: false }],
});
const resolvedPod = (volumes: readonly ResolvedVolume[] = []): ResolvedPod => ({
  ...{ hostname: "web", setHostnameAsFQDN: false, containers: [], volumes, imageCredentials: [] },
});
const partialPod = (...faults: readonly ReferenceFault[]): ResolvedPod => ({
  ...resolvedPod(),
  containers: faults.map(({ container = "", message }) => ({
    ...{ name: container, image: "i", imagePullPolicy: "Always", env: [], mounts: [], missing: message },
  })),
});
const lacks = (name: string, container?: string): ReferenceFault => ({
  field: `spec.${name}`,
  reason: container === undefined ? "FailedMount" : "MandatorySecretNotFound",
  message: `secret "${name}" not found`,
  ...(container === undefined ? {} : { container }),
});

/** A resolver that answers what the test says. */
class Script implements PodResolution {
  answer: Resolution = { type: "ready", resolved: resolvedPod(), notes: [] };
  current: readonly ResolvedVolume[] = [];
  faults: readonly ReferenceFault[] = [];
  readonly asked: string[] = [];
  onResolve: (pod: Stored<Pod>) => void = () => {};

  resolve(pod: Stored<Pod>): Resolution {
    this.onResolve(pod);
    this.asked.push(`resolve ${pod.metadata.name}`);
    return this.answer;
  }

  volumes(pod: Stored<Pod>, keep: boolean): ReturnType<PodResolution["volumes"]> {
    this.asked.push(`volumes ${pod.metadata.name}${keep ? ", keeping all" : ""}`);
    return { volumes: this.current, faults: this.faults };
  }

  release(uid: string): void {
    this.asked.push(`release ${uid}`);
  }

  ready(...volumes: readonly ResolvedVolume[]): void {
    this.answer = { type: "ready", resolved: resolvedPod(volumes), notes: [] };
    this.current = volumes;
  }

  missing(...faults: readonly ReferenceFault[]): void {
    this.answer = { type: "missing", faults, notes: [] };
  }

  /** Nothing but containers lack something. */
  partial(...faults: readonly ReferenceFault[]): void {
    this.answer = { type: "missing", faults, notes: [], partial: partialPod(...faults) };
  }
}

class Bench extends PodBench {
  readonly script: Script;
  /** Each time: volumes and their text. */
  readonly handed: string[];
  readonly given: (ResolvedPod | undefined)[];
  #controller: PodController | undefined;

  constructor(
    options: PodBenchOptions & {
      readonly fails?: () => void;
      readonly keeps?: true;
      readonly unresolved?: true;
      readonly partly?: true;
      readonly volumes?: readonly VolumeKind[];
    } = {},
  ) {
    const script = new Script();
    const handed: string[] = [];
    const given: (ResolvedPod | undefined)[] = [];
    const wrap = (provider: Provider): Provider => ({
      ...provider,
      createPod: async (request, context) => {
        given.push(request.resolved);
        await provider.createPod(request, context);
      },
      updatePod: async (request, context) => {
        given.push(request.resolved);
        options.fails?.();
        await provider.updatePod?.(request, context);
      },
      ...(options.keeps !== true && {
        updateVolumes: async (_owner, volumes) => {
          options.fails?.();
          handed.push(volumes.map((each) => `${each.name}=${textOf(each)}`).join(" "));
        },
      }),
    });
    const { partly, unresolved, volumes: kinds } = options;
    const capabilities = { ...(unresolved ? {} : { resolve: true }), resolvePartly: partly, volumes: kinds };
    super({ ...options, wrap, capabilities, controller: { resolution: script, ...options.controller } });
    this.script = script;
    this.handed = handed;
    this.given = given;
  }

  async begin(): Promise<void> {
    this.#controller = await this.start();
  }

  /** Something changed that the pod refers to. */
  async changed(name: string, ms = 100): Promise<void> {
    this.#controller?.resolutionChanged(this.api.get(name)?.metadata.uid ?? "");
    await this.clock.advance(ms);
  }

  waiting(name: string): readonly (readonly [string, string | undefined, string | undefined])[] {
    const { initContainerStatuses = [], containerStatuses = [] } = this.api.get(name)?.status ?? {};
    return [...initContainerStatuses, ...containerStatuses].map((each) => [
      ...([each.name, each.state?.waiting?.reason, each.state?.waiting?.message] as const),
    ]);
  }

  count(text: string): number {
    return this.events.filter((event) => event.includes(text)).length;
  }
}

function textOf(volume: ResolvedVolume): string {
  return volume.type === "files" ? volume.files.map(({ data }) => Buffer.from(data).toString()).join() : "";
}

describe("before a pod is created", () => {
  it("it is resolved, and given as such", async () => {
    await using bench = new Bench();
    const volume = files("v", "one");
    bench.script.ready(volume);
    await bench.begin();
    bench.api.create("n", "web");
    await bench.clock.advance(minute);
    assert.equal(bench.phase("web"), "Running");
    assert.deepEqual(bench.given, [resolvedPod([volume])]);
    assert.deepEqual(bench.handed, []);
    assert.equal(bench.count("Warning"), 0);
    // Once it runs, what only its start needed is let go of.
    assert.deepEqual(bench.script.asked, ["resolve web", "volumes web"]);
  });

  it("what it must refer to is waited for, and shown as a kubelet shows it", async () => {
    await using bench = new Bench();
    bench.script.missing(lacks("s", "main"));
    await bench.begin();
    bench.api.create("n", "web", {
      spec: {
        containers: [
          { name: "main", image: "i" },
          { name: "other", image: "i" },
        ],
      },
    });
    await bench.clock.advance(10 * minute);
    assert.equal(bench.phase("web"), "Pending");
    assert.deepEqual(bench.waiting("web"), [
      ["main", "CreateContainerConfigError", 'secret "s" not found'],
      ["other", "ContainerCreating", undefined],
    ]);
    assert.equal(bench.count("Warning MandatorySecretNotFound web"), 1);
    assert.deepEqual(bench.given, []);

    // Something else is missing now, then nothing.
    bench.script.missing(lacks("t", "main"), lacks("u", "other"));
    await bench.changed("web", 1000);
    assert.deepEqual(
      bench.waiting("web").map(([, , message]) => message),
      ['secret "t" not found', 'secret "u" not found'],
    );
    assert.equal(bench.count("MandatorySecretNotFound"), 3);
    bench.script.ready();
    await bench.changed("web", 0);
    assert.equal(bench.given.length, 1);
    await bench.clock.advance(minute);
    assert.equal(bench.phase("web"), "Running");
  });

  it("a pod without its volumes has no container made, whatever else these lack", async () => {
    await using bench = new Bench();
    bench.script.missing(lacks("s", "main"), lacks("v"));
    await bench.begin();
    bench.api.create("n", "plain");
    bench.api.create("n", "init", { spec: { initContainers: [{ name: "init", image: "i" }] } });
    await bench.clock.advance(5000);
    assert.deepEqual(bench.waiting("plain"), [["main", "ContainerCreating", undefined]]);
    assert.deepEqual(bench.waiting("init"), [
      ["init", "PodInitializing", undefined],
      ["main", "PodInitializing", undefined],
    ]);
    assert.equal(bench.count("Warning FailedMount plain"), 1);
  });

  it("what it lacked is no longer shown once it is created", async () => {
    await using bench = new Bench({ behaviour: { startDelay: minute } });
    bench.script.missing(lacks("s", "main"));
    await bench.begin();
    bench.api.create("n", "web");
    await bench.clock.advance(5000);
    bench.script.ready();
    await bench.changed("web", 5000);
    assert.deepEqual(bench.waiting("web"), [["main", "ContainerCreating", undefined]]);
  });

  it("it is shown as being created while something is still being read", async () => {
    await using bench = new Bench();
    bench.script.answer = { type: "pending" };
    await bench.begin();
    bench.api.create("n", "web");
    await bench.clock.advance(5000);
    assert.deepEqual([bench.given, bench.api.writes(), bench.events], [[], ["put web Pending"], []]);
    assert.deepEqual(bench.waiting("web"), [["main", "ContainerCreating", undefined]]);
  });

  it("what can never be is refused, with the field named", async () => {
    await using bench = new Bench();
    bench.script.answer = { type: "refused", field: "spec.x", message: "cannot be done" };
    await bench.begin();
    bench.api.create("n", "web");
    await bench.clock.advance(5000);
    const status = bench.api.get("web")?.status;
    assert.equal(status?.phase, "Failed");
    assert.equal(status?.reason, "PodFeatureUnsupported");
    assert.equal(status?.message, "Pod was rejected: spec.x: cannot be done");
    assert.deepEqual(bench.given, []);
    assert.ok(bench.script.asked.includes("release uid-1"));
  });

  it("what it can do without is told of once", async () => {
    await using bench = new Bench();
    const note = { field: "spec.o", reason: "OptionalSecretNotFound", message: "m", container: "main" };
    bench.script.answer = { type: "ready", resolved: resolvedPod(), notes: [note] };
    await bench.begin();
    bench.api.create("n", "web");
    await bench.clock.advance(10 * minute);
    assert.equal(bench.count("Warning OptionalSecretNotFound web"), 1);
    assert.equal(bench.phase("web"), "Running");
  });

  it("what the backend leaves out is not asked for", async () => {
    const asked: unknown[] = [];
    await using bench = new Bench({ volumes: ["emptyDir"] });
    bench.script.onResolve = (pod) => asked.push(pod.spec?.volumes, pod.spec?.containers[0]?.volumeMounts);
    await bench.begin();
    const access = { name: "kube-api-access-x", mountPath: "/var/run/secrets" };
    const dir = { name: "dir", mountPath: "/dir" };
    const volumes = [
      { name: "kube-api-access-x", projected: { sources: [] } },
      { name: "dir", emptyDir: {} },
    ];
    bench.api.create("n", "web", {
      spec: { volumes, containers: [{ name: "main", image: "i", volumeMounts: [access, dir] }] },
    });
    await bench.clock.advance(5000);
    assert.deepEqual(asked, [[{ name: "dir", emptyDir: {} }], [dir]]);
    assert.equal(bench.phase("web"), "Running");
    assert.equal(bench.count("PodFeatureOmitted"), 1);
  });

  it("one that is deleted while it waits ends at once", async () => {
    await using bench = new Bench();
    bench.script.missing(lacks("s", "main"));
    await bench.begin();
    bench.api.create("n", "web");
    await bench.clock.advance(5000);
    bench.api.remove("web");
    await bench.clock.advance(1000);
    assert.equal(bench.api.get("web"), undefined);
    assert.ok(bench.script.asked.includes("release uid-1"));
    assert.deepEqual([bench.given, bench.api.sins], [[], []]);
  });
});

describe("volumes of a pod that runs", () => {
  async function running(options: ConstructorParameters<typeof Bench>[0] = {}): Promise<Bench> {
    const bench = new Bench(options);
    bench.script.ready(files("a", "1"), files("b", "1"), { name: "c", type: "emptyDir", medium: "" });
    await bench.begin();
    bench.api.create("n", "web");
    await bench.clock.advance(5000);
    assert.equal(bench.phase("web"), "Running");
    return bench;
  }

  it("follow at once, those alone that changed", async () => {
    await using bench = await running();
    bench.script.current = [files("a", "2"), files("b", "1")];
    await bench.changed("web");
    await bench.changed("web");
    bench.script.current = [files("a", "2"), files("b", "2")];
    await bench.changed("web");
    assert.deepEqual(bench.handed, ["a=2", "b=2"]);
    assert.equal(bench.given.length, 1);
  });

  it("are handed over once, however many changes come together", async () => {
    await using bench = await running();
    bench.script.current = [files("a", "2"), files("b", "2")];
    for (let round = 0; round < 20; round++) void bench.changed("web", 0);
    await bench.clock.advance(1000);
    assert.deepEqual(bench.handed, ["a=2 b=2"]);
  });

  it("stay as they are where something is missing for them; others go on", async () => {
    await using bench = await running();
    bench.script.current = [files("b", "2")];
    bench.script.faults = [lacks("a")];
    await bench.changed("web");
    await bench.changed("web");
    assert.deepEqual(bench.handed, ["b=2"]);
    assert.equal(bench.count("Warning FailedMount web"), 1);
    bench.script.current = [files("a", "1"), files("b", "2")];
    bench.script.faults = [];
    await bench.changed("web");
    bench.script.faults = [lacks("a")];
    await bench.changed("web");
    assert.deepEqual(bench.handed, ["b=2"]);
    assert.equal(bench.count("Warning FailedMount web"), 2);
  });

  it("are tried again until the backend takes them", async () => {
    let failures = 3;
    const fails = (): void => {
      if (failures-- > 0) throw new VirtualKubeletError("Unavailable", "down");
    };
    await using bench = await running({ fails });
    bench.script.current = [files("a", "2"), files("b", "1")];
    await bench.changed("web", minute);
    assert.deepEqual(bench.handed, ["a=2"]);
    assert.equal(bench.phase("web"), "Running");
  });

  it("are not tried again where the backend never takes them; the user is told", async () => {
    let calls = 0;
    const fails = (): void => {
      calls += 1;
      throw new VirtualKubeletError("Unsupported", "not here");
    };
    await using bench = await running({ fails });
    bench.script.current = [files("a", "2"), files("b", "1")];
    await bench.changed("web", 10 * minute);
    assert.equal(calls, 1);
    assert.equal(bench.count("Warning ProviderUpdateFailed web"), 1);
  });

  it("follow the pod's labels", async () => {
    await using bench = await running();
    bench.script.current = [files("a", "labels"), files("b", "1")];
    bench.api.edit("web", (pod) => ({ ...pod, metadata: { ...pod.metadata, labels: { x: "y" } } }));
    await bench.clock.advance(1000);
    assert.deepEqual(bench.handed, ["a=labels"]);
  });

  it("of a pod that was adopted are handed over once", async () => {
    await using bench = await running();
    await bench.stop();
    bench.script.asked.length = 0;
    await bench.begin();
    await bench.clock.advance(5 * minute);
    assert.deepEqual(bench.handed, ["a=1 b=1"]);
    assert.equal(bench.given.length, 1);
  });

  it("follow while the pod is given time to end", async () => {
    await using bench = await running({ behaviour: { terminateDelay: 5 * minute } });
    bench.api.remove("web", 600);
    await bench.clock.advance(minute);
    bench.script.current = [files("a", "late"), files("b", "1")];
    await bench.changed("web");
    assert.deepEqual(bench.handed, ["a=late"]);
    await bench.clock.advance(10 * minute);
    assert.equal(bench.api.get("web"), undefined);
    assert.equal(bench.script.asked.at(-1), "release uid-1");
    assert.deepEqual(bench.api.sins, []);
  });

  it("are let go of with the pod", async () => {
    await using bench = await running();
    bench.api.remove("web");
    await bench.clock.advance(minute);
    assert.equal(bench.script.asked.at(-1), "release uid-1");
    const count = bench.script.asked.length;
    await bench.changed("web", minute);
    assert.equal(bench.script.asked.length, count);
  });

  it("of a pod that ended are let go of while the API keeps it", async () => {
    await using bench = new Bench({ behaviour: { runTime: 2000 } });
    bench.script.ready(files("a", "1"));
    await bench.begin();
    bench.api.create("n", "job", { spec: { restartPolicy: "Never" } });
    await bench.clock.advance(minute);
    assert.equal(bench.phase("job"), "Succeeded");
    const last = bench.script.asked.findLastIndex((each) => each === "volumes job" || each === "resolve job");
    assert.ok(bench.script.asked.indexOf("release uid-1", last) > last);
  });

  it("of a backend that keeps them as they are nobody watches", async () => {
    await using bench = await running({ keeps: true });
    bench.script.current = [files("a", "2")];
    await bench.changed("web", 5 * minute);
    assert.deepEqual(bench.script.asked, ["resolve web", "release uid-1"]);
  });
});

describe("an update of a pod that runs", () => {
  const edit = (bench: Bench): void =>
    bench.api.edit("web", (pod) => ({ ...pod, metadata: { ...pod.metadata, labels: { x: String(Math.random()) } } }));

  it("has what the pod refers to now, or nothing of it where something has gone", async () => {
    await using bench = new Bench();
    await bench.begin();
    bench.api.create("n", "web");
    await bench.clock.advance(5000);
    const now = files("a", "2");
    bench.script.ready(now);
    edit(bench);
    await bench.clock.advance(1000);
    assert.deepEqual(bench.given.at(-1), resolvedPod([now]));
    bench.script.missing(lacks("s", "main"));
    edit(bench);
    await bench.clock.advance(1000);
    assert.deepEqual([bench.given.length, bench.given.at(-1)], [3, undefined]);
    assert.equal(bench.count("MandatorySecretNotFound"), 1);
  });

  it("of the spec waits for what has gone: a container may be made anew by it", async () => {
    await using bench = new Bench();
    await bench.begin();
    bench.api.create("n", "web");
    await bench.clock.advance(5000);
    bench.script.missing(lacks("s", "main"));
    const containers = [{ name: "main", image: "new" }];
    bench.api.edit("web", (pod) => ({ ...pod, spec: { ...pod.spec, containers } }));
    await bench.clock.advance(5 * minute);
    assert.equal(bench.given.length, 1);
    assert.equal(bench.count("MandatorySecretNotFound"), 1);
    assert.equal(bench.phase("web"), "Running");
    // Its volumes do not wait with it, and nothing else is let go of meanwhile.
    bench.script.current = [files("token", "2")];
    bench.script.asked.length = 0;
    await bench.changed("web", minute);
    assert.deepEqual(bench.handed, ["token=2"]);
    assert.deepEqual(bench.script.asked.slice(0, 2), ["volumes web, keeping all", "resolve web"]);
    assert.ok(bench.script.asked.length < 6, "no going round in circles");
    bench.script.ready(files("token", "2"));
    await bench.changed("web");
    assert.equal(bench.given.length, 2);
    assert.equal(bench.script.asked.at(-1), "volumes web");
  });

  it("waits while something is being read", async () => {
    await using bench = new Bench();
    await bench.begin();
    bench.api.create("n", "web");
    await bench.clock.advance(5000);
    bench.script.answer = { type: "pending" };
    edit(bench);
    await bench.clock.advance(5000);
    assert.equal(bench.given.length, 1);
    bench.script.ready();
    await bench.changed("web");
    assert.equal(bench.given.length, 2);
  });
});

describe("providers that do not want it", () => {
  it("pay nothing", async () => {
    await using bench = new Bench({ unresolved: true });
    bench.script.missing(lacks("s", "main"));
    await bench.begin();
    bench.api.create("n", "web");
    await bench.clock.advance(minute);
    bench.api.edit("web", (pod) => ({ ...pod, metadata: { ...pod.metadata, labels: { x: "y" } } }));
    await bench.clock.advance(minute);
    assert.equal(bench.phase("web"), "Running");
    assert.deepEqual([bench.script.asked, bench.handed, bench.given], [[], [], [undefined, undefined]]);
    bench.api.remove("web");
    await bench.clock.advance(minute);
    assert.deepEqual(bench.script.asked, []);
  });
});

describe("a provider that begins with pods of which containers lack something", () => {
  it("has them at once, and what they lacked as soon as it is there", async () => {
    await using bench = new Bench({ partly: true });
    const [s, t, u] = [lacks("s", "main"), lacks("t", "main"), lacks("u", "other")];
    bench.script.partial(s, u);
    await bench.begin();
    bench.api.create("n", "web");
    await bench.clock.advance(minute);
    assert.deepEqual(bench.given, [partialPod(s, u)]);
    assert.equal(bench.count("Warning MandatorySecretNotFound web"), 2);
    // All that it needs is watched on.
    assert.deepEqual(bench.script.asked, ["resolve web", "volumes web, keeping all"]);

    await bench.changed("web", minute);
    assert.equal(bench.given.length, 1);
    bench.script.partial(t);
    await bench.changed("web", 0);
    assert.deepEqual(bench.given.slice(1), [partialPod(t)]);
    assert.equal(bench.count("MandatorySecretNotFound"), 3);
    bench.script.answer = { type: "pending" };
    await bench.changed("web", minute);
    assert.equal(bench.given.length, 2);
    bench.script.ready();
    await bench.changed("web", 0);
    assert.deepEqual(bench.given.slice(2), [resolvedPod()]);
    await bench.clock.advance(minute);
    await bench.changed("web", minute);
    assert.equal(bench.given.length, 3);
    // What a container is given at its next start is followed as long as the pod is there.
    assert.ok(!bench.script.asked.includes("volumes web"), "all is watched on");
    const containers = partialPod(t).containers.map((each) => ({ ...each, missing: undefined }));
    const other = { ...resolvedPod(), containers };
    bench.script.answer = { type: "ready", resolved: other, notes: [] };
    await bench.changed("web", minute);
    assert.deepEqual(bench.given.slice(3), [other]);
    assert.equal(bench.count("ProviderUpdate"), 0);
  });

  it("is told again when it did not take it", async () => {
    let failures = 2;
    const fails = (): void => {
      if (failures-- > 0) throw new VirtualKubeletError("Unavailable", "down");
    };
    await using bench = new Bench({ partly: true, fails });
    bench.script.partial(lacks("s", "main"));
    await bench.begin();
    bench.api.create("n", "web");
    await bench.clock.advance(minute);
    bench.script.ready();
    await bench.changed("web", minute);
    assert.deepEqual(bench.given.slice(1), [resolvedPod(), resolvedPod(), resolvedPod()]);
  });

  it("waits for volumes all the same, and until all else is read", async () => {
    await using bench = new Bench({ partly: true });
    bench.script.missing(lacks("s", "main"), lacks("v"));
    await bench.begin();
    bench.api.create("n", "web");
    await bench.clock.advance(minute);
    assert.deepEqual([bench.given, bench.count("FailedMount")], [[], 1]);
    bench.script.missing(lacks("s", "main"));
    await bench.changed("web", minute);
    assert.deepEqual(bench.given, []);
    bench.script.partial(lacks("s", "main"));
    await bench.changed("web", 0);
    assert.equal(bench.given.length, 1);
  });

  it("loses nothing of it when the spec changes, or what volumes had is gone", async () => {
    await using bench = new Bench({ partly: true });
    const s = lacks("s", "main");
    bench.script.partial(s);
    await bench.begin();
    bench.api.create("n", "web");
    await bench.clock.advance(minute);
    bench.api.edit("web", (pod) => ({ ...pod, spec: { ...pod.spec, containers: [{ name: "main", image: "new" }] } }));
    await bench.clock.advance(minute);
    assert.deepEqual(bench.given, [partialPod(s), partialPod(s)]);
    bench.script.missing(s, lacks("v"));
    await bench.changed("web", minute);
    assert.equal(bench.given.length, 2);
    bench.script.ready();
    await bench.changed("web", 0);
    assert.deepEqual(bench.given.slice(2), [resolvedPod()]);
  });
});
