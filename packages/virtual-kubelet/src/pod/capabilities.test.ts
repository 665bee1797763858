import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Pod, PodSpec } from "../kube/types.gen.ts";
import type { Capabilities } from "../provider/capabilities.ts";
import { omissions, refusals } from "./capabilities.ts";

const podOf = (spec: Partial<PodSpec>): Pod => ({ spec: { containers: [{ name: "a" }], ...spec } });
const fields = (spec: Partial<PodSpec>, capabilities: Capabilities): readonly string[] =>
  refusals(podOf(spec), capabilities).map(({ field }) => field);

const demanding: PodSpec = {
  hostNetwork: true,
  hostPID: true,
  hostIPC: true,
  hostUsers: false,
  os: { name: "windows" },
  resourceClaims: [{ name: "gpu" }],
  securityContext: { runAsUser: 1, windowsOptions: { hostProcess: true } },
  initContainers: [{ name: "i" }, { name: "s", restartPolicy: "Always", startupProbe: {} }],
  containers: [
    { name: "a" },
    {
      name: "b",
      livenessProbe: {},
      readinessProbe: {},
      lifecycle: { postStart: {}, preStop: {} },
      stdin: true,
      tty: true,
      resources: { claims: [{ name: "gpu" }] },
      securityContext: { privileged: true, capabilities: { add: ["NET_ADMIN"] } },
    },
  ],
  ephemeralContainers: [{ name: "d" }],
};

describe("refusals", () => {
  it("are none where everything is supported", () => {
    assert.deepEqual(fields(demanding, {}), []);
  });

  it("name variables from files, unless the provider resolves nothing or can read them", () => {
    const env = [
      { name: "A", value: "a" },
      { name: "B", valueFrom: { fileKeyRef: { volumeName: "v", path: "p", key: "k" } } },
    ];
    const spec = { initContainers: [{ name: "i", env }], containers: [{ name: "c", env }] };
    assert.deepEqual(fields(spec, { resolve: true }), [
      "spec.initContainers[0].env[1].valueFrom.fileKeyRef",
      "spec.containers[0].env[1].valueFrom.fileKeyRef",
    ]);
    assert.deepEqual(fields(spec, { resolve: true, envFiles: true }), []);
    assert.deepEqual(fields(spec, {}), []);
  });

  it("name each field of each feature that is not", () => {
    assert.deepEqual(fields(demanding, { features: [] }), [
      "spec.hostNetwork",
      "spec.hostPID",
      "spec.hostIPC",
      "spec.hostUsers",
      "spec.os.name",
      "spec.resourceClaims[0]",
      "spec.securityContext.runAsUser",
      "spec.initContainers[0]",
      "spec.initContainers[1].restartPolicy",
      "spec.initContainers[1].startupProbe",
      "spec.containers[1].livenessProbe",
      "spec.containers[1].readinessProbe",
      "spec.containers[1].lifecycle.postStart",
      "spec.containers[1].lifecycle.preStop",
      "spec.containers[1].stdin",
      "spec.containers[1].tty",
      "spec.containers[1].resources.claims[0]",
      "spec.containers[1].securityContext.privileged",
      "spec.containers[1].securityContext.capabilities",
      "spec.ephemeralContainers[0]",
    ]);
    assert.deepEqual(fields(demanding, { features: ["probes", "hostNetwork", "hostPID", "hostIPC"] }).length, 20 - 6);
  });

  it("say what the backend lacks", () => {
    const pod = podOf({ containers: [{ name: "a", livenessProbe: {} }] });
    assert.deepEqual(refusals(pod, { features: [] }), [
      { field: "spec.containers[0].livenessProbe", message: "the backend does not support probes" },
    ]);
  });

  it("take no offence at what the API server fills in or what asks for nothing", () => {
    const spec: Partial<PodSpec> = {
      securityContext: {},
      hostUsers: true,
      os: { name: "linux" },
      containers: [
        { name: "a", securityContext: { privileged: false, allowPrivilegeEscalation: true, capabilities: {} } },
        { name: "b", ports: [{ containerPort: 80 }], stdin: false, tty: false },
      ],
    };
    assert.deepEqual(fields(spec, { features: [] }), []);
  });

  it("name host ports, unless they come with the host's network", () => {
    const containers = [{ name: "a", ports: [{ containerPort: 80 }, { containerPort: 81, hostPort: 81 }] }];
    assert.deepEqual(fields({ containers }, { features: [] }), ["spec.containers[0].ports[1].hostPort"]);
    assert.deepEqual(fields({ containers, hostNetwork: true }, { features: ["hostNetwork"] }), []);
  });

  it("name volumes by their kind, whether mounted or not", () => {
    const volumes = [
      { name: "a", emptyDir: {} },
      { name: "b", configMap: { name: "c" } },
      { name: "c", csi: { driver: "d" } },
    ];
    assert.deepEqual(fields({ volumes }, {}), []);
    assert.deepEqual(fields({ volumes }, { volumes: ["emptyDir"] }), [
      "spec.volumes[1].configMap",
      "spec.volumes[2].csi",
    ]);
  });

  it("are not for the ServiceAccount token that every pod gets; that is an omission", () => {
    const volumes = [
      { name: "kube-api-access-abcde", projected: { sources: [] } },
      { name: "mine", projected: { sources: [] } },
    ];
    const capabilities: Capabilities = { volumes: ["emptyDir"] };
    assert.deepEqual(fields({ volumes }, capabilities), ["spec.volumes[1].projected"]);
    assert.deepEqual(
      omissions(podOf({ volumes }), capabilities).map(({ field }) => field),
      ["spec.volumes[0].projected"],
    );
    assert.deepEqual(omissions(podOf({ volumes }), { volumes: ["projected"] }), []);
  });

  it("hold the limits", () => {
    const initContainers = [{ name: "i" }, { name: "j" }];
    assert.deepEqual(fields({ initContainers }, { limits: { containers: 2 } }), ["spec.containers"]);
    assert.deepEqual(fields({ initContainers }, { limits: { containers: 3 } }), []);
    const requests: Capabilities = { limits: { requests: { cpu: "2", memory: "1Gi" } } };
    const big = { name: "a", resources: { requests: { cpu: "2500m", memory: "1Gi" } } };
    assert.deepEqual(refusals(podOf({ containers: [{ name: "x" }, big] }), requests), [
      {
        field: "spec.containers[1].resources.requests[cpu]",
        message: "the pod requests 2500m of cpu, the backend gives at most 2",
      },
    ]);
    const half = { name: "h", resources: { requests: { memory: "600Mi" } } };
    assert.deepEqual(fields({ containers: [half, half] }, requests), ["spec.containers[*].resources.requests[memory]"]);
  });
});
