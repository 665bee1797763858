import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container, PodSpec } from "../kube/types.gen.ts";
import type { Resolution, ResolvedPod } from "../resolved-pod.ts";
import { type KnownCluster, knownPod, knownService, sourcesOf } from "../testing/known-cluster.ts";
import { resolvePod, resolveVolumes } from "./resolve-pod.ts";

const settings = { clusterDomain: "c.local" };
const dns = knownService("kube-dns", { clusterIP: "10.0.0.10", clusterIPs: ["10.0.0.10", "fd00::a"] }, "kube-system");

function resolve(spec: Partial<PodSpec>, cluster: KnownCluster = {}, more: object = {}): Resolution {
  return resolvePod(knownPod(spec), sourcesOf(cluster), { ...settings, ...more });
}

function ready(spec: Partial<PodSpec>, cluster: KnownCluster = {}, more: object = {}): ResolvedPod {
  const resolution = resolve(spec, cluster, more);
  assert.equal(resolution.type, "ready", JSON.stringify(resolution));
  return resolution.type === "ready" ? resolution.resolved : assert.fail();
}

const main = (more: Partial<Container>): readonly Container[] => [{ name: "main", image: "i", ...more }];
const env = [
  { name: "A", value: "1" },
  { name: "IP", valueFrom: { fieldRef: { fieldPath: "status.podIP" } } },
  { name: "UP", value: "../x" },
];
const secretEnv = [{ name: "K", valueFrom: { secretKeyRef: { name: "s", key: "k" } } }];

describe("containers", () => {
  it("all of the spec, in its order", () => {
    const spec = {
      initContainers: [{ name: "init", image: "i" }],
      containers: [
        { name: "main", image: "i" },
        { name: "beside", image: "i" },
      ],
      ephemeralContainers: [{ name: "debug", image: "i" }],
    };
    assert.deepEqual(
      ready(spec).containers.map(({ name }) => name),
      ["init", "main", "beside", "debug"],
    );
  });

  it("commands and arguments with variables, of the container alone", () => {
    const spec = { containers: main({ command: ["$(A)", "$$(A)", "$(NONE)"], args: ["-$(IP)-"], env }) };
    const [container] = ready(spec).containers;
    assert.deepEqual(container?.command, ["1", "$(A)", "$(NONE)"]);
    assert.deepEqual(container?.args, [["-", { fieldPath: "status.podIP" }, "-"]]);
    const [bare] = ready({ containers: main({ command: [], args: [] }) }).containers;
    assert.ok(bare !== undefined && !("command" in bare) && !("args" in bare));
  });

  it("mounts; subPathExpr with variables", () => {
    const volumeMounts = [
      { name: "v", mountPath: "/a" },
      { name: "v", mountPath: "/b", readOnly: true, subPath: "b/$(A)" },
      { name: "v", mountPath: "/c", subPathExpr: "c/$(A)/$(IP)" },
      { name: "v", mountPath: "/d", recursiveReadOnly: "IfPossible", mountPropagation: "HostToContainer" },
      { name: "v", mountPath: "/e", recursiveReadOnly: "Disabled", mountPropagation: "None" },
    ];
    const [container] = ready({
      volumes: [{ name: "v", emptyDir: {} }],
      containers: main({ env, volumeMounts }),
    }).containers;
    assert.deepEqual(container?.mounts, [
      { volume: "v", mountPath: "/a", readOnly: false },
      { volume: "v", mountPath: "/b", readOnly: true, subPath: "b/$(A)" },
      { volume: "v", mountPath: "/c", readOnly: false, subPath: ["c/1/", { fieldPath: "status.podIP" }] },
      {
        ...{ volume: "v", mountPath: "/d", readOnly: false },
        ...{ recursiveReadOnly: "IfPossible", mountPropagation: "HostToContainer" },
      },
      { volume: "v", mountPath: "/e", readOnly: false },
    ]);
  });

  for (const [mount, field, message] of [
    [{ subPath: "../x" }, "subPath", 'subPath "../x" must be relative and without ".."'],
    [{ subPath: "/x" }, "subPath", 'subPath "/x" must be relative and without ".."'],
    [{ subPathExpr: "a/$(UP)" }, "subPathExpr", 'subPath "a/../x" must be relative and without ".."'],
    [{ subPathExpr: "$(NONE)" }, "subPathExpr", 'subPathExpr: missing value for "NONE"'],
  ] as const) {
    it(`a mount that cannot be: ${JSON.stringify(mount)}`, () => {
      const resolution = resolve({
        containers: main({ env, volumeMounts: [{ name: "v", mountPath: "/a", ...mount }] }),
      });
      assert.deepEqual(resolution.type === "missing" && resolution.faults, [
        { field: `spec.containers[0].volumeMounts[0].${field}`, reason: "Failed", message, container: "main" },
      ]);
    });
  }

  it("a missing variable is told of once, where it is missing", () => {
    const volumeMounts = [{ name: "v", mountPath: "/a", subPathExpr: "$(K)" }];
    const resolution = resolve({ containers: main({ env: secretEnv, volumeMounts }) });
    assert.deepEqual(resolution.type === "missing" && resolution.faults.map(({ reason }) => reason), [
      "MandatorySecretNotFound",
    ]);
  });
});

describe("how far a pod is resolved", () => {
  const lacking = { containers: main({ env: secretEnv }) };
  it("nothing is told of while it is being read", () => {
    assert.deepEqual(resolve(lacking, { secrets: { s: "pending" } }), { type: "pending" });
    assert.deepEqual(resolve({}, { services: "pending" }), { type: "pending" });
    const node = [{ name: "N", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } }];
    assert.deepEqual(resolve({ containers: main({ env: node }) }, { allocatable: "pending" }), { type: "pending" });
    assert.deepEqual(resolve({ imagePullSecrets: [{ name: "s" }] }, { secrets: { s: "pending" } }), {
      type: "pending",
    });
  });

  it("what is missing is told of at once, whatever else is being read", () => {
    const resolution = resolve(
      { ...lacking, volumes: [{ name: "v", configMap: { name: "c" } }] },
      {
        services: "pending",
        configMaps: { c: "pending" },
      },
    );
    assert.equal(resolution.type, "missing");
  });

  it("a pod of which only containers lack something is there in part", () => {
    const containers = [...main({ env: secretEnv, envFrom: [{ configMapRef: { name: "none" } }] }), { name: "whole" }];
    const resolution = resolve({ containers });
    assert.ok(resolution.type === "missing");
    assert.deepEqual(
      resolution.partial?.containers.map(({ name, missing }) => [name, missing]),
      [
        ["main", 'configmap "none" not found'],
        ["whole", undefined],
      ],
    );
    assert.equal(resolution.faults.length, 2);
    for (const [spec, cluster] of [
      [{ volumes: [{ name: "v", configMap: { name: "none" } }] }, {}],
      [{ imagePullSecrets: [{ name: "waits" }] }, { secrets: { waits: "pending" } }],
      [{}, { services: "pending" }],
    ] as const) {
      const other = resolve({ containers, ...spec }, cluster);
      assert.deepEqual([other.type, other.type === "missing" && other.partial], ["missing", undefined]);
    }
  });

  it("what can never be goes before what is missing", () => {
    const file = [{ name: "F", valueFrom: { fieldRef: { fieldPath: "status.phase" } } }];
    const resolution = resolve({ containers: main({ env: [...secretEnv, ...file] }) });
    assert.equal(
      resolution.type === "refused" && resolution.field,
      "spec.containers[0].env[1].valueFrom.fieldRef.fieldPath",
    );
  });

  it("Services that cannot be read", () => {
    const resolution = resolve({}, { services: "unreadable" });
    assert.equal(resolution.type === "missing" && resolution.faults[0]?.message, "services cannot be read: forbidden");
  });

  it("a hostname that cannot be", () => {
    const resolution = resolve({ hostname: "h".repeat(60), subdomain: "s", setHostnameAsFQDN: true });
    assert.equal(resolution.type === "missing" && resolution.faults[0]?.reason, "FailedCreatePodSandBox");
  });
});

describe("credentials for images", () => {
  const auths = { "r.example.com": { username: "ann", password: "p" } };
  const secrets = { pull: { ".dockerconfigjson": JSON.stringify({ auths }) }, locked: "unreadable" } as const;

  it("of the Secrets named; others are told of and not waited for", () => {
    const imagePullSecrets = [{ name: "none" }, { name: "pull" }, { name: "locked" }, {}];
    const resolution = resolve({ imagePullSecrets }, { secrets });
    assert.ok(resolution.type === "ready");
    assert.deepEqual(resolution.resolved.imageCredentials, [
      { registry: "r.example.com", username: "ann", password: "p" },
    ]);
    assert.deepEqual(resolution.notes, [
      {
        field: "spec.imagePullSecrets",
        reason: "FailedToRetrieveImagePullSecret",
        message:
          "Unable to retrieve some image pull secrets (none, locked); attempting to pull the image may not succeed.",
      },
    ]);
  });
});

describe("the class of its runtime", () => {
  it("is its handler", () => {
    assert.equal(ready({ runtimeClassName: "c" }, { runtimeClasses: { c: "kata" } }).runtimeHandler, "kata");
    assert.equal(ready({}).runtimeHandler, undefined);
  });

  it("is waited for", () => {
    assert.equal(resolve({ runtimeClassName: "c" }, { runtimeClasses: "pending" }).type, "pending");
    for (const [runtimeClasses, why] of [
      [{}, "not found"],
      ["unreadable", "cannot be read: forbidden"],
    ] as const) {
      const resolution = resolve({ runtimeClassName: "c" }, { runtimeClasses });
      assert.deepEqual(resolution.type === "missing" && resolution.faults, [
        { field: "spec.runtimeClassName", reason: "FailedCreatePodSandBox", message: `RuntimeClass "c" ${why}` },
      ]);
    }
  });
});

describe("DNS", () => {
  it("of the cluster's Service, of the settings, or the host's", () => {
    assert.match(ready({}, { services: [dns] }).resolvConf ?? "", /nameserver 10\.0\.0\.10\nnameserver fd00::a\n/);
    const own = ready({}, { services: [dns] }, { clusterDNS: ["10.9.9.9"] }).resolvConf;
    assert.match(own ?? "", /^search shop\.svc\.c\.local .*\nnameserver 10\.9\.9\.9\noptions/);
    assert.equal(ready({}).resolvConf, undefined);
  });
});

describe("resolveVolumes", () => {
  it("has what is known of files, and what is wrong with the rest", () => {
    const volumes = [
      { name: "dir", emptyDir: {} },
      { name: "there", configMap: { name: "c" } },
      { name: "gone", secret: { secretName: "none" } },
      { name: "waits", configMap: { name: "w" } },
    ];
    const spec = { volumes, containers: main({ env: secretEnv }) };
    const cluster: KnownCluster = { configMaps: { c: { data: { k: "v" } }, w: "pending" } };
    const found = resolveVolumes(knownPod(spec), sourcesOf(cluster));
    assert.deepEqual(
      found.volumes.map(({ name }) => name),
      ["there"],
    );
    assert.deepEqual(
      found.faults.map(({ field }) => field),
      ["spec.volumes[2].secret"],
    );
  });
});
