// Pods as tasks, against what was looked at once: UPDATE_GOLDEN=1 writes the files anew.
import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { type PodRequest, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { assertGolden } from "@virtual-kubelet/virtual-kubelet/testing";
import { stringify } from "yaml";
import { parseFargateConfig } from "./config.ts";
import { goldenRequests, podRequest } from "./testing/golden-pods.ts";
import { translate } from "./translate.ts";

const testdata = join(import.meta.dirname, "testdata");
const config = parseFargateConfig(
  {
    region: "eu-west-1",
    cluster: "pods",
    network: { subnets: ["subnet-1", "subnet-2"], securityGroups: ["sg-1"] },
    executionRoleARN: "arn:aws:iam::123456789012:role/execute",
    taskRoles: { default: "arn:aws:iam::123456789012:role/pods", allowed: ["arn:aws:iam::123456789012:role/team-*"] },
    logs: { group: "/pods" },
    helperImage: "registry.test/helper:1",
    tags: { costs: "team" },
  },
  {},
);
const requests = goldenRequests();

/** What the plan is, or why there is none. */
function outcome(request: PodRequest): unknown {
  try {
    return translate(request, config);
  } catch (error) {
    if (!(error instanceof VirtualKubeletError)) throw error;
    return { refused: error.kind, field: error.field, message: error.message };
  }
}

describe("pods become tasks", () => {
  for (const request of requests) {
    const { name } = request.owner;
    it(name, async () => {
      const text = stringify(outcome(request), { aliasDuplicateObjects: false, lineWidth: 0 });
      const file = join(testdata, "plans", `${name}.yaml`);
      await assertGolden(file, text);
      assert.equal(name.startsWith("refused-"), text.startsWith("refused:"));
    });
  }
});

describe("secrets", () => {
  it("stand in no task definition, tag, note or override", () => {
    for (const request of requests) {
      const plan = outcome(request);
      const told = JSON.stringify(plan, (key, value: unknown) =>
        key === "secrets" && isPlanned(value) ? undefined : value,
      );
      for (const secret of ["swordfish", "hunter2", "opensesame", btoa("opensesame")])
        assert.ok(!told.includes(secret), `${request.owner.name} tells ${secret}`);
    }
  });

  function isPlanned(value: unknown): boolean {
    return Array.isArray(value) && value.some((each) => typeof each === "object" && each !== null && "text" in each);
  }
});

describe("a platform", () => {
  const on = (platform: object, spec: object = {}) => {
    const given = parseFargateConfig({ region: "eu-west-1", network: { subnets: ["subnet-1"] }, platform }, {});
    return translate(
      podRequest({ name: "web", spec: { containers: [{ name: "web", image: "web" }], ...spec } }),
      given,
    );
  };
  const windows = { operatingSystem: "WINDOWS_SERVER_2022_CORE" };

  it("is the task's: ARM64, Windows, a version", () => {
    const { definition, run } = on({ architecture: "ARM64", version: "1.4.0" });
    assert.deepEqual(definition.runtimePlatform, { operatingSystemFamily: "LINUX", cpuArchitecture: "ARM64" });
    assert.equal(run.platformVersion, "1.4.0");
    const other = on(windows).definition;
    const family = { operatingSystemFamily: "WINDOWS_SERVER_2022_CORE", cpuArchitecture: "X86_64" };
    assert.deepEqual(other.runtimePlatform, family);
    assert.deepEqual([other.cpu, other.memory], ["1024", "2048"], "its least size");
  });

  it("without Linux has none of what is Linux alone, with the field", () => {
    const refused = (spec: object, field: RegExp): void =>
      assert.throws(() => on(windows, spec), { kind: "Unsupported", field });
    refused({ securityContext: { runAsUser: 1 } }, /securityContext/);
    refused({ securityContext: { sysctls: [{ name: "a", value: "1" }] } }, /sysctls/);
    refused(
      {
        containers: [{ name: "web", image: "web", volumeMounts: [{ name: "c", mountPath: "/c" }] }],
        volumes: [{ name: "c", configMap: { name: "c" } }],
      },
      /spec\.volumes\[0\]/,
    );
  });
});

describe("a container that renews files", () => {
  const podWith = (containers: number) =>
    podRequest({
      name: "web",
      spec: {
        containers: Array.from({ length: containers }, (_, index) => ({
          ...{ name: `c${index}`, image: "web" },
          volumeMounts: [{ name: "c", mountPath: "/c" }],
        })),
        volumes: [{ name: "c", configMap: { name: "c" } }],
      },
    });
  const keeperOf = (containers: number, more: object = {}) =>
    translate(podWith(containers), { ...config, ...more }).definition.containerDefinitions?.find(
      ({ name }) => name === "vk_keeper",
    );

  it("is there where it can do so and has room, and ends nothing with its end", () => {
    assert.equal(keeperOf(1)?.essential, false);
    assert.ok(keeperOf(8));
    assert.equal(keeperOf(9), undefined);
    assert.equal(keeperOf(1, { updateVolumes: false }), undefined);
    assert.equal(keeperOf(1, { exec: false }), undefined);
  });
});

describe("task definitions", () => {
  it("of two pods of one template are the same", () => {
    const template = requests.find(({ owner }) => owner.name === "own-variables")?.pod.spec;
    assert.ok(template !== undefined);
    const [one, other] = ["web-7f9c-a1b2c", "web-7f9c-d3e4f"].map((name) =>
      translate(podRequest({ name, spec: template }), config),
    );
    assert.deepEqual(one?.definition, other?.definition);
    assert.notDeepEqual(one?.run, other?.run);
  });
});
