import assert from "node:assert/strict";
import { test } from "node:test";
import * as sdk from "@azure/arm-containerinstance";
import { addedFields, knownValues, sdkModels, wholeNumbers } from "./known-models.ts";
import { type CheckedAs, modelFaults } from "./model-check.ts";

const asRequest: CheckedAs = { model: "ContainerGroup", version: "2025-09-01", direction: "request" };
const asAnswer: CheckedAs = { ...asRequest, direction: "answer" };

const container = {
  name: "web",
  properties: {
    image: "web:1",
    command: ["run"],
    ports: [{ protocol: "TCP", port: 80 }],
    environmentVariables: [
      { name: "A", value: "1" },
      { name: "B", secureValue: "s" },
    ],
    resources: { requests: { cpu: 0.5, memoryInGB: 1.5 }, limits: { cpu: 1 } },
    volumeMounts: [{ name: "v", mountPath: "/v", readOnly: true }],
    livenessProbe: {
      httpGet: { port: 80, scheme: "http", httpHeaders: [{ name: "a", value: "b" }] },
      periodSeconds: 5,
    },
    securityContext: { runAsUser: 7, capabilities: { add: ["NET_RAW"] } },
  },
};
const properties = {
  containers: [container],
  osType: "Linux",
  restartPolicy: "Always",
  sku: "Standard",
  ipAddress: { type: "Private", ports: [{ port: 80 }] },
  volumes: [
    { name: "v", emptyDir: {} },
    { name: "s", secret: { a: "YQ==" } },
  ],
  initContainers: [{ name: "init", properties: { image: "init:1" } }],
  dnsConfig: { nameServers: ["10.0.0.10"] },
};
const group = { location: "westeurope", tags: { a: "b" }, identity: { type: "None" }, properties };

/** The group with one value in another's place; undefined takes it away. */
function changed(path: string, value: unknown): unknown {
  const copy: unknown = structuredClone(group);
  let at = copy;
  const names = path.split(".");
  const last = names.pop() ?? "";
  for (const name of names) at = Object.entries(at ?? {}).find(([key]) => key === name)?.[1];
  assert.ok(typeof at === "object" && at !== null, path);
  if (value === undefined) Reflect.deleteProperty(at, last);
  else Reflect.set(at, last, value);
  return copy;
}

test("what is right passes, as a request and as an answer", () => {
  assert.deepEqual(modelFaults(group, asRequest), []);
  assert.deepEqual(modelFaults(group, asAnswer), []);
  const view = { currentState: { state: "Running", startTime: "2026-01-01T00:00:00.123Z" }, restartCount: 1 };
  assert.deepEqual(modelFaults(changed("properties.containers.0.properties.instanceView", view), asAnswer), []);
});

const inContainer = "properties.containers.0.properties";
const faults: readonly (readonly [path: string, value: unknown, fault: RegExp])[] = [
  ["properties.osType", "linux", /^properties\.osType: linux is none of Windows, Linux$/],
  ["properties.restartPolicy", "Sometimes", /Sometimes is none of Always, OnFailure, Never/],
  ["properties.ipAddress.type", "None", /None is none of Public, Private/],
  ["identity.type", "Both", /Both is none of SystemAssigned/],
  ["properties.containers", undefined, /^properties\.containers: is missing$/],
  ["properties", undefined, /^properties: is missing$/],
  ["properties.containers.0.name", undefined, /^properties\.containers\[0\]\.name: is missing$/],
  [`${inContainer}.resources.requests.cpu`, undefined, /resources\.requests\.cpu: is missing/],
  [`${inContainer}.resources.requests.cpu`, "1", /cpu: is string, not a number/],
  [`${inContainer}.ports.0.port`, 80.5, /80\.5 is not a whole number/],
  [`${inContainer}.command`, "run", /command: is string, not a list/],
  [`${inContainer}.environmentVariables.0.value`, 1, /value: is number, not a text/],
  [`${inContainer}.environmentVariables.0.value`, null, /value: is null, not a text/],
  [`${inContainer}.args`, [], /args: no field of Container\.properties in 2025-09-01/],
  [`${inContainer}.volumeMounts.0.subPath`, "a", /subPath: no field of VolumeMount/],
  [`${inContainer}.volumeMounts.0.readOnly`, "yes", /readOnly: is string, not true or false/],
  [`${inContainer}.instanceView`, { restartCount: 1 }, /instanceView\.restartCount: only the cloud writes it/],
  ["properties.provisioningState", "Succeeded", /provisioningState: only the cloud writes it/],
  ["id", "x", /^id: only the cloud writes it$/],
  ["tags.a", 1, /^tags\[a\]: is number/],
  ["spec", {}, /^spec: no field of ContainerGroup/],
];
for (const [path, value, fault] of faults)
  test(`a fault is told: ${path} ${value === undefined ? "missing" : JSON.stringify(value)}`, () => {
    const told = modelFaults(changed(path, value), asRequest);
    assert.equal(told.length, 1, told.join("; "));
    assert.match(told[0] ?? "", fault);
  });

test("times of answers must be times", () => {
  const view = { currentState: { state: "Running", startTime: "yesterday" } };
  const told = modelFaults(changed(`${inContainer}.instanceView`, view), asAnswer);
  assert.match(told.join(), /startTime: is string, not a time/);
});

test("fields of 2025-09-01 are none of 2023-05-01", () => {
  const body = changed("properties.secretReferences", [{ name: "a", identity: "b", secretReferenceUri: "https://c" }]);
  assert.deepEqual(modelFaults(body, asRequest), []);
  assert.match(modelFaults(body, { ...asRequest, version: "2023-05-01" }).join(), /secretReferences: no field/);
  assert.match(
    modelFaults(changed("properties.osType", undefined), { ...asRequest, version: "2023-05-01" }).join(),
    /osType: is missing/,
  );
});

test("every enumeration of the SDK is looked at, and every name in the tables is a field", () => {
  const all = Object.entries(sdk).filter(([name]) => name.startsWith("Known"));
  const used = Object.values(knownValues).map((values) => values.join());
  for (const [name, values] of all) assert.ok(used.includes(Object.values(values).join()), name);
  for (const name of [...Object.keys(knownValues), ...wholeNumbers]) {
    const [model = "", ...field] = name.split(".");
    if (!sdkModels.has(model)) continue;
    const fields = Object.values(sdkModels.get(model)?.modelProperties ?? {}).map((each) => each.serializedName);
    assert.ok(fields.includes(field.join(".")), name);
  }
  for (const model of Object.keys(addedFields)) assert.ok(sdkModels.has(model), model);
});
