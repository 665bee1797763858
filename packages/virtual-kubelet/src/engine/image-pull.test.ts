import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { EngineBench, podOf, quiet, requestOf } from "../testing/engine-bench.ts";

const missing = async (): Promise<never> => {
  throw new VirtualKubeletError("NotFound", "manifest unknown");
};

describe("an image by its policy", () => {
  const present = 'c Pulled: Container image "img" already present on machine and can be accessed by the pod';
  const pulling = 'c Pulling: Pulling image "img"';
  const pulled = 'c Pulled: Successfully pulled image "img" in 2s (2s including waiting).';
  const rows: readonly (readonly [string, boolean, readonly string[]])[] = [
    ["Always", true, [pulling, pulled]],
    ["Always", false, [pulling, pulled]],
    ["IfNotPresent", true, [present]],
    ["IfNotPresent", false, [pulling, pulled]],
    ["Never", true, [present]],
  ];
  for (const [imagePullPolicy, here, events] of rows) {
    it(`${imagePullPolicy}, ${here ? "here" : "not here"}`, async () => {
      const bench: EngineBench = new EngineBench({
        images: new Set(here ? ["img"] : []),
        pull: () => {
          const { promise, resolve } = Promise.withResolvers<undefined>();
          bench.clock.schedule(2000, () => resolve(undefined));
          return promise;
        },
      });
      const { owner } = await bench.create({ containers: [{ name: "c", image: "img", imagePullPolicy }] });
      await bench.pass(2000);
      assert.deepEqual(bench.events, [...events, "c Created: Container created", "c Started: Container started"]);
      assert.equal(await bench.state(owner), "running #0");
      const { image, imageID } = (await bench.container(owner)) ?? {};
      assert.deepEqual([image, imageID], ["img", "img@sha256:0"]);
      await bench.close();
    });
  }

  it("of which the runtime tells more", async () => {
    const bench: EngineBench = new EngineBench({
      images: new Set(),
      pull: async () => ({ size: 4_194_304, pullMs: 1234 }),
    });
    await bench.create({});
    const message = 'Successfully pulled image "img" in 1.234s (0s including waiting). Image size: 4194304 bytes.';
    assert.equal(bench.events[1], `c Pulled: ${message}`);
    await bench.close();
  });

  it("is told as the pod has it, and asked for with its tag", async () => {
    const images = new Set<string>();
    const bench: EngineBench = new EngineBench({ images });
    const resolved = { name: "c", image: "img:latest", imagePullPolicy: "Always", env: [], mounts: [] } as const;
    const request = requestOf(podOf({ containers: [{ name: "c", image: "img" }] }, "p"));
    const others = { hostname: "p", setHostnameAsFQDN: false, volumes: [], imageCredentials: [] };
    await bench.engine.createPod({ ...request, resolved: { ...others, containers: [resolved] } }, quiet);
    await bench.pass(0);
    assert.equal(bench.events[0], pulling);
    assert.deepEqual([...images], ["img:latest"]);
    await bench.close();
  });

  const others: readonly (readonly ["IfNotPresent" | "Never", string, string])[] = [
    ["IfNotPresent", pulling, "running #0"],
    [
      "Never",
      'c ErrImageNeverPull: Container image "img" is not present with pull policy of Never',
      "waiting ErrImageNeverPull #0",
    ],
  ];
  for (const [imagePullPolicy, event, state] of others)
    it(`${imagePullPolicy}, here for others alone`, async () => {
      const bench = new EngineBench({ images: new Set(["img"]), mayUse: () => false });
      const { owner } = await bench.create({ containers: [{ name: "c", image: "img", imagePullPolicy }] });
      assert.equal(bench.events[0], event);
      assert.equal(await bench.state(owner), state);
      await bench.close();
    });

  it("Never, not here", async () => {
    const bench = new EngineBench({ images: new Set() });
    const { owner } = await bench.create({
      containers: [{ name: "c", image: "img", imagePullPolicy: "Never" }],
    });
    const message = 'Container image "img" is not present with pull policy of Never';
    assert.deepEqual((await bench.container(owner))?.state.waiting, { reason: "ErrImageNeverPull", message });
    assert.deepEqual(bench.events, [`c ErrImageNeverPull: ${message}`, "c Failed: Error: ErrImageNeverPull"]);
    await bench.close();
  });
});

describe("an image that cannot be had", () => {
  it("is an error, then a back-off of 10 s, 20 s ... 5 min, then tried again", async () => {
    const tries: number[] = [];
    const bench: EngineBench = new EngineBench({
      images: new Set(),
      pull: () => {
        tries.push(bench.clock.now());
        return missing();
      },
    });
    const { owner } = await bench.create({});
    const waiting = async () => (await bench.container(owner))?.state.waiting;
    assert.deepEqual(await waiting(), {
      reason: "ErrImagePull",
      message: "manifest unknown",
    });
    await bench.pass(5000);
    assert.deepEqual(await waiting(), {
      reason: "ImagePullBackOff",
      message: 'Back-off pulling image "img": ErrImagePull: manifest unknown',
    });
    assert.deepEqual(bench.events, [
      'c Pulling: Pulling image "img"',
      'c Failed: Failed to pull image "img": manifest unknown',
      "c Failed: Error: ErrImagePull",
      'c BackOff: Back-off pulling image "img"',
      "c Failed: Error: ImagePullBackOff",
    ]);
    await bench.pass(1_500_000);
    const pauses = tries.map((at, index) => (at - (tries[index - 1] ?? at)) / 1000);
    assert.deepEqual(pauses.slice(0, 8), [0, 10, 20, 40, 80, 160, 300, 300]);
    await bench.close();
  });

  it("is had in the end", async () => {
    let tries = 0;
    const bench = new EngineBench({
      images: new Set(),
      pull: async () => (++tries < 3 ? missing() : undefined),
    });
    const { owner } = await bench.create({});
    await bench.pass(30_000);
    assert.equal(await bench.state(owner), "running #0");
    await bench.close();
  });

  it("holds back its own container alone", async () => {
    const bench = new EngineBench({ images: new Set(["good"]), pull: missing });
    const { owner } = await bench.create({
      containers: [
        { name: "a", image: "good" },
        { name: "b", image: "bad" },
      ],
    });
    assert.equal(await bench.state(owner, "a"), "running #0");
    assert.equal(await bench.state(owner, "b"), "waiting ErrImagePull #0");
    await bench.close();
  });

  it("is a bad name where the runtime says so", async () => {
    const bench = new EngineBench({
      images: new Set(),
      pull: () => Promise.reject(new VirtualKubeletError("Invalid", "couldn't parse image name")),
    });
    const { owner } = await bench.create({});
    assert.equal(await bench.state(owner), "waiting InvalidImageName #0");
    await bench.close();
  });

  it("is a bad name by its form, and nobody is asked for it", async () => {
    const bench = new EngineBench({ images: new Set(), pull: missing });
    const { owner } = await bench.create({ containers: [{ name: "c", image: "a//b", imagePullPolicy: "Always" }] });
    const message = `Failed to apply default image tag "a//b": couldn't parse image name "a//b": invalid reference format`;
    assert.deepEqual((await bench.container(owner))?.state.waiting, { reason: "InvalidImageName", message });
    assert.deepEqual(bench.events, [`c InspectFailed: ${message}`, "c Failed: Error: InvalidImageName"]);
    await bench.close();
  });

  it("has the kubelet's words for a registry that cannot be reached, where the runtime says so", async () => {
    const bench = new EngineBench({
      images: new Set(),
      pull: () => Promise.reject(new VirtualKubeletError("Unavailable", "no route", { reason: "RegistryUnavailable" })),
    });
    const { owner } = await bench.create({});
    assert.deepEqual((await bench.container(owner))?.state.waiting, {
      reason: "RegistryUnavailable",
      message: "image pull failed for img because the registry is unavailable: no route",
    });
    await bench.close();
  });

  it("cannot be looked for", async () => {
    const bench = new EngineBench({
      around: async (call, work) => {
        if (call === "imageStatus") throw new VirtualKubeletError("Unavailable", "no daemon");
        return work();
      },
    });
    const { owner } = await bench.create({});
    assert.deepEqual((await bench.container(owner))?.state.waiting, {
      reason: "ImageInspectError",
      message: 'Failed to inspect image "img": no daemon',
    });
    assert.deepEqual(bench.events, [
      'c InspectFailed: Failed to inspect image "img": no daemon',
      "c Failed: Error: ImageInspectError",
    ]);
    await bench.close();
  });

  it("shows the last run's end beside it when it fails a restart", async () => {
    let tries = 0;
    const bench = new EngineBench({
      script: () => ({ exitAfterMs: 1000, exitCode: 1 }),
      images: new Set(),
      pull: async () => (++tries > 1 ? missing() : undefined),
    });
    const { owner } = await bench.create({ containers: [{ name: "c", image: "img", imagePullPolicy: "Always" }] });
    await bench.pass(1000);
    assert.equal(await bench.state(owner), "waiting ErrImagePull #0");
    assert.equal((await bench.container(owner))?.lastState?.terminated?.exitCode, 1);
    await bench.close();
  });
});

describe("a container that cannot be made or started", () => {
  const rows: readonly (readonly [string, string, VirtualKubeletError, string])[] = [
    [
      "a bad configuration",
      "createContainer",
      new VirtualKubeletError("Invalid", "no such user"),
      "CreateContainerConfigError",
    ],
    ["a failure", "createContainer", new VirtualKubeletError("Unavailable", "disk full"), "CreateContainerError"],
    [
      "a failing start",
      "startContainer",
      new VirtualKubeletError("Internal", "exec format error"),
      "RunContainerError",
    ],
    [
      "the runtime's own word",
      "createContainer",
      new VirtualKubeletError("Invalid", "no", { reason: "PreCreateHookError" }),
      "PreCreateHookError",
    ],
  ];
  for (const [name, at, error, reason] of rows) {
    it(`${name}: ${reason}, and is tried again after 10 s`, async () => {
      let failures = 0;
      const bench = new EngineBench({
        around: async (call, work) => {
          if (call === at && failures++ === 0) throw error;
          return work();
        },
      });
      const { owner } = await bench.create({});
      assert.deepEqual((await bench.container(owner))?.state.waiting, { reason, message: error.message });
      assert.ok(bench.events.includes(`c Failed: Error: ${error.message}`));
      await bench.pass(9999);
      assert.equal(await bench.state(owner), `waiting ${reason} #0`);
      await bench.pass(1);
      assert.equal(await bench.state(owner), "running #0");
      await bench.close();
    });
  }

  it("is not run as root where that is forbidden", async () => {
    const bench = new EngineBench();
    const securityContext = { runAsNonRoot: true, runAsUser: 0 };
    const { owner } = await bench.create({ securityContext });
    assert.deepEqual((await bench.container(owner))?.state.waiting, {
      reason: "CreateContainerConfigError",
      message: `container's runAsUser breaks non-root policy (pod: "p_ns(uid-p)", container: c)`,
    });
    await bench.close();
  });

  it("waits for its sandbox, which is tried again after 10 s", async () => {
    let failures = 0;
    const bench = new EngineBench({
      around: async (call, work) => {
        if (call === "createSandbox" && failures++ === 0) throw new VirtualKubeletError("Unavailable", "no network");
        return work();
      },
    });
    const { owner } = await bench.create({});
    assert.deepEqual(bench.events, ["FailedCreatePodSandBox: Failed to create pod sandbox: no network"]);
    assert.equal(await bench.state(owner), "waiting #0");
    assert.equal((await bench.report(owner))?.sandboxReady, false);
    await bench.pass(10_000);
    assert.equal(await bench.state(owner), "running #0");
    await bench.close();
  });
});
