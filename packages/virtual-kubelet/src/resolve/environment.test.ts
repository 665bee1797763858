import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Container } from "../kube/types.gen.ts";
import { type KnownCluster, knownPod, sourcesOf } from "../testing/known-cluster.ts";
import { containerEnvironment } from "./environment.ts";
import { late } from "./late-text.ts";
import { type Findings, newFindings } from "./sources.ts";

const cluster: KnownCluster = {
  configMaps: {
    config: { data: { a: "config a", b: "config b" }, binaryData: { bytes: "AAEC" } },
    odd: { data: { "1x": "digit", "a-b.c": "dots", "with space": "space", é: "no", "a=b": "no" } },
    waits: "pending",
    locked: "unreadable",
  },
  secrets: { secret: { a: "secret a", c: "secret c", empty: "" }, waits: "pending", locked: "unreadable" },
  allocatable: { cpu: "4" },
};

function resolve(
  container: Partial<Container>,
  services: Readonly<Record<string, string>> = {},
): Findings & { readonly list: readonly (readonly unknown[])[] } {
  const findings = newFindings();
  const whole: Container = { name: "main", image: "i", ...container };
  const { variables } = containerEnvironment(
    {
      pod: knownPod({
        containers: [whole],
        volumes: [
          { name: "dir", emptyDir: {} },
          { name: "config", configMap: { name: "config" } },
        ],
      }),
      container: whole,
      path: "spec.containers[0]",
      serviceVariables: new Map(Object.entries(services)),
      sources: sourcesOf(cluster),
    },
    findings,
  );
  return {
    ...findings,
    list: variables.map(({ name, value, secret }) => (secret ? [name, value, secret] : [name, value])),
  };
}

const configKey = (name: string, key: string, optional?: boolean) => ({
  valueFrom: { configMapKeyRef: { name, key, ...(optional === undefined ? {} : { optional }) } },
});
const secretKey = (name: string, key: string, optional?: boolean) => ({
  valueFrom: { secretKeyRef: { name, key, ...(optional === undefined ? {} : { optional }) } },
});

describe("precedence and order", () => {
  it("service variables, then envFrom, then env; each name once, the last one counts", () => {
    const { list } = resolve(
      {
        envFrom: [{ configMapRef: { name: "config" } }, { secretRef: { name: "secret" } }],
        env: [
          { name: "c", value: "env c" },
          { name: "d", value: "env d" },
          { name: "d", value: "again" },
        ],
      },
      { a: "service a", S: "service s", d: "service d" },
    );
    assert.deepEqual(list, [
      ["S", "service s"],
      ["b", "config b"],
      ["a", "secret a", true],
      ["empty", "", true],
      ["c", "env c"],
      ["d", "again"],
    ]);
  });

  it("envFrom has a prefix for each key, and text alone", () => {
    const { list } = resolve({ envFrom: [{ prefix: "P_", configMapRef: { name: "config" } }] });
    assert.deepEqual(list, [
      ["P_a", "config a"],
      ["P_b", "config b"],
    ]);
  });

  it("takes any printable ASCII but = from envFrom, and tells of what it skips", () => {
    const { list, notes, faults } = resolve({ envFrom: [{ configMapRef: { name: "odd" } }] });
    assert.deepEqual(list, [
      ["1x", "digit"],
      ["a-b.c", "dots"],
      ["with space", "space"],
    ]);
    assert.deepEqual(notes, [
      {
        field: "spec.containers[0].envFrom[0].configMapRef",
        reason: "InvalidEnvironmentVariableNames",
        message:
          "Keys [a=b, é] from the EnvFrom configMap shop/odd were skipped since they are considered invalid environment variable names.",
        container: "main",
      },
    ]);
    assert.deepEqual(faults, []);
  });
});

describe("values", () => {
  it("use what came before them, envFrom, and service variables", () => {
    const { list } = resolve(
      {
        envFrom: [{ configMapRef: { name: "config" } }],
        env: [
          { name: "X", value: "$(a)/$(S)/$(LATER)" },
          { name: "LATER", value: "$(X)" },
          { name: "S", value: "mine" },
          { name: "Y", value: "$(S) $$(S)" },
        ],
      },
      { S: "service" },
    );
    assert.deepEqual(list.slice(2), [
      ["X", "config a/service/$(LATER)"],
      ["LATER", "config a/service/$(LATER)"],
      ["S", "mine"],
      ["Y", "mine $(S)"],
    ]);
  });

  it("that use a secret one are secret", () => {
    const { list } = resolve({
      env: [
        { name: "K", ...secretKey("secret", "c") },
        { name: "U", value: "x:$(K)" },
        { name: "V", value: "$(U)" },
        { name: "W", value: "$$(U)" },
        { name: "K", value: "plain" },
        { name: "Z", value: "$(K)" },
      ],
    });
    assert.deepEqual(list, [
      ["U", "x:secret c", true],
      ["V", "x:secret c", true],
      ["W", "$(U)"],
      ["K", "plain"],
      ["Z", "plain"],
    ]);
  });

  it("that hold an address are known later", () => {
    const fieldRef = { fieldPath: "status.podIP" };
    const { list } = resolve({
      env: [
        { name: "IP", valueFrom: { fieldRef } },
        { name: "URL", value: "http://$(IP)/" },
      ],
    });
    assert.deepEqual(list, [
      ["IP", late("status.podIP")],
      ["URL", ["http://", { fieldPath: "status.podIP" }, "/"]],
    ]);
  });

  it("of keys, fields and resources; an empty one is there", () => {
    const { list, faults, refusals } = resolve({
      env: [
        { name: "A", ...configKey("config", "a") },
        { name: "E", ...secretKey("secret", "empty") },
        { name: "N", valueFrom: { fieldRef: { fieldPath: "metadata.name" } } },
        { name: "R", valueFrom: { resourceFieldRef: { resource: "limits.cpu" } } },
        { name: "NOTHING" },
      ],
    });
    assert.deepEqual(list, [
      ["A", "config a"],
      ["E", "", true],
      ["N", "web-0"],
      ["R", "4"],
      ["NOTHING", ""],
    ]);
    assert.deepEqual([faults, refusals], [[], []]);
  });
});

describe("what is missing", () => {
  const key = "spec.containers[0].env[0].valueFrom";
  const from = "spec.containers[0].envFrom[0]";
  const table: readonly (readonly [Partial<Container>, "faults" | "notes", string, string, string])[] = [
    [
      { env: [{ name: "X", ...configKey("none", "a") }] },
      "faults",
      `${key}.configMapKeyRef`,
      "MandatoryConfigMapNotFound",
      'configmap "none" not found',
    ],
    [
      { env: [{ name: "X", ...configKey("config", "z") }] },
      "faults",
      `${key}.configMapKeyRef`,
      "MandatoryConfigMapKeyNotFound",
      "couldn't find key z in ConfigMap shop/config",
    ],
    [
      { env: [{ name: "X", ...configKey("config", "bytes") }] },
      "faults",
      `${key}.configMapKeyRef`,
      "MandatoryConfigMapKeyNotFound",
      "couldn't find key bytes in ConfigMap shop/config",
    ],
    [
      { env: [{ name: "X", ...configKey("config", "toString") }] },
      "faults",
      `${key}.configMapKeyRef`,
      "MandatoryConfigMapKeyNotFound",
      "couldn't find key toString in ConfigMap shop/config",
    ],
    [
      { env: [{ name: "X", ...configKey("locked", "a") }] },
      "faults",
      `${key}.configMapKeyRef`,
      "FailedToReadMandatoryConfigMap",
      'configmap "locked" cannot be read: forbidden',
    ],
    [
      { env: [{ name: "X", ...secretKey("none", "a") }] },
      "faults",
      `${key}.secretKeyRef`,
      "MandatorySecretNotFound",
      'secret "none" not found',
    ],
    [
      { env: [{ name: "X", ...secretKey("secret", "z") }] },
      "faults",
      `${key}.secretKeyRef`,
      "MandatorySecretKeyNotFound",
      "couldn't find key z in Secret shop/secret",
    ],
    [
      { env: [{ name: "X", ...secretKey("locked", "a") }] },
      "faults",
      `${key}.secretKeyRef`,
      "FailedToReadMandatorySecret",
      'secret "locked" cannot be read: forbidden',
    ],
    [
      { envFrom: [{ configMapRef: { name: "none" } }] },
      "faults",
      `${from}.configMapRef`,
      "MandatoryConfigMapNotFound",
      'configmap "none" not found',
    ],
    [
      { envFrom: [{ secretRef: { name: "none" } }] },
      "faults",
      `${from}.secretRef`,
      "MandatorySecretNotFound",
      'secret "none" not found',
    ],
    // What the pod can do without is left out, and told.
    [
      { env: [{ name: "X", ...configKey("none", "a", true) }] },
      "notes",
      `${key}.configMapKeyRef`,
      "OptionalConfigMapNotFound",
      'configmap "none" not found',
    ],
    [
      { env: [{ name: "X", ...configKey("config", "z", true) }] },
      "notes",
      `${key}.configMapKeyRef`,
      "OptionalConfigMapKeyNotFound",
      "couldn't find key z in ConfigMap shop/config",
    ],
    [
      { env: [{ name: "X", ...secretKey("none", "a", true) }] },
      "notes",
      `${key}.secretKeyRef`,
      "OptionalSecretNotFound",
      'secret "none" not found',
    ],
    [
      { env: [{ name: "X", ...secretKey("secret", "z", true) }] },
      "notes",
      `${key}.secretKeyRef`,
      "OptionalSecretKeyNotFound",
      "couldn't find key z in Secret shop/secret",
    ],
    [
      { envFrom: [{ configMapRef: { name: "none", optional: true } }] },
      "notes",
      `${from}.configMapRef`,
      "OptionalConfigMapNotFound",
      'configmap "none" not found',
    ],
    [
      { envFrom: [{ secretRef: { name: "none", optional: true } }] },
      "notes",
      `${from}.secretRef`,
      "OptionalSecretNotFound",
      'secret "none" not found',
    ],
    // Not known to be absent: waited for even so.
    [
      { env: [{ name: "X", ...configKey("locked", "a", true) }] },
      "faults",
      `${key}.configMapKeyRef`,
      "FailedToReadOptionalConfigMap",
      'configmap "locked" cannot be read: forbidden',
    ],
    [
      { envFrom: [{ secretRef: { name: "locked", optional: true } }] },
      "faults",
      `${from}.secretRef`,
      "FailedToReadOptionalSecret",
      'secret "locked" cannot be read: forbidden',
    ],
  ];
  for (const [container, where, field, reason, message] of table) {
    it(`${reason}: ${field}, ${message}`, () => {
      const { list, faults, notes, pending } = resolve(container);
      const found = { faults, notes };
      assert.deepEqual(found[where], [{ field, reason, message, container: "main" }]);
      assert.deepEqual(found[where === "faults" ? "notes" : "faults"], []);
      assert.deepEqual([list, pending], [[], false]);
    });
  }

  it("is waited for while it is being read", () => {
    for (const container of [
      { env: [{ name: "X", ...secretKey("waits", "a") }] },
      { env: [{ name: "X", ...configKey("waits", "a", true) }] },
      { envFrom: [{ secretRef: { name: "waits", optional: true } }] },
    ]) {
      const { faults, notes, pending } = resolve(container);
      assert.deepEqual([faults, notes, pending], [[], [], true]);
    }
  });

  it("leaves a variable as it was before", () => {
    const { list } = resolve({
      env: [
        { name: "X", value: "before" },
        { name: "X", ...secretKey("none", "a", true) },
      ],
    });
    assert.deepEqual(list, [["X", "before"]]);
  });
});

describe("keys of files", () => {
  const inFile = (key: string, optional?: true) => ({
    fileKeyRef: { volumeName: "dir", path: "sub/env", key, ...(optional && { optional }) },
  });
  const fileKey = (key: string, optional = false) => ({ volume: "dir", path: "sub/env", key, optional });

  it("are left open, and used by others", () => {
    const { list, faults, refusals } = resolve({
      env: [
        { name: "X", valueFrom: inFile("K") },
        { name: "Y", value: "<$(X)>" },
      ],
    });
    assert.deepEqual(list, [
      ["X", [{ fileKey: fileKey("K"), otherwise: undefined }]],
      ["Y", ["<", { fileKey: fileKey("K"), otherwise: "$(X)" }, ">"]],
    ]);
    assert.deepEqual([faults, refusals], [[], []]);
  });

  it("that are optional leave a variable as it was before, secret or not", () => {
    const { list } = resolve({
      env: [
        { name: "K", ...secretKey("secret", "c") },
        { name: "K", valueFrom: inFile("K", true) },
        { name: "U", value: "$(K)" },
      ],
    });
    const open = { fileKey: fileKey("K", true), otherwise: "secret c" };
    assert.deepEqual(list, [
      ["K", [open], true],
      ["U", [open], true],
    ]);
  });
});

describe("what cannot be done", () => {
  const table: readonly (readonly [NonNullable<Container["env"]>[number]["valueFrom"], string])[] = [
    [{ fieldRef: { fieldPath: "status.phase" } }, "fieldRef.fieldPath"],
    [{ resourceFieldRef: { resource: "limits.dreams" } }, "resourceFieldRef"],
    [{ resourceFieldRef: { resource: "limits.cpu", containerName: "nobody" } }, "resourceFieldRef"],
    [{ resourceFieldRef: { resource: "limits.cpu", divisor: "much" } }, "resourceFieldRef"],
    [{ fileKeyRef: { volumeName: "none", path: "p", key: "k", optional: true } }, "fileKeyRef"],
    [{ fileKeyRef: { volumeName: "config", path: "p", key: "k" } }, "fileKeyRef"],
    [{ fileKeyRef: { volumeName: "dir", path: "../p", key: "k" } }, "fileKeyRef"],
  ];
  for (const [valueFrom, field] of table) {
    it(JSON.stringify(valueFrom), () => {
      const { refusals } = resolve({ env: [{ name: "X", ...(valueFrom === undefined ? {} : { valueFrom }) }] });
      assert.deepEqual(
        refusals.map((each) => each.field),
        [`spec.containers[0].env[0].valueFrom.${field}`],
      );
    });
  }
});
