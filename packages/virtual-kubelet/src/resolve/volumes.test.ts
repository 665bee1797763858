import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { PodSpec, Volume } from "../kube/types.gen.ts";
import type { ResolvedVolume } from "../resolved-pod.ts";
import { type KnownCluster, knownPod, sourcesOf } from "../testing/known-cluster.ts";
import { type Findings, newFindings, type TokenSource } from "./sources.ts";
import { podVolumes } from "./volumes.ts";

const cluster: KnownCluster = {
  configMaps: {
    config: { data: { a: "A", "b.txt": "B" }, binaryData: { bytes: "AAEC/w==" } },
    waits: "pending",
    locked: "unreadable",
  },
  secrets: { secret: { key: "S", crt: "C" }, waits: "pending", locked: "unreadable" },
  certificate: { key: "KEY\n", chain: "CHAIN\n" },
  allocatable: { cpu: "4" },
};

interface Outcome extends Findings {
  readonly volume: ResolvedVolume | undefined;
  /** Path, mode in octal, text; with "secret" where it is one. */
  readonly files: readonly (readonly unknown[])[];
}

function resolve(source: Omit<Volume, "name">, spec: Partial<PodSpec> = {}, known: KnownCluster = cluster): Outcome {
  const findings = newFindings();
  const pod = knownPod({ ...spec, volumes: [{ name: "v", ...source }] }, { labels: { app: "web" } });
  const [volume] = podVolumes(pod, sourcesOf(known), findings);
  const files = volume?.type === "files" ? volume.files : [];
  return {
    ...findings,
    volume,
    files: files.map(({ path, mode, data, secret, uid }) => [
      ...[path, mode.toString(8), Buffer.from(data).toString("latin1")],
      ...(secret ? ["secret"] : []),
      ...(uid === undefined ? [] : [uid]),
    ]),
  };
}

describe("volumes of configuration", () => {
  it("a ConfigMap: all keys, text and bytes, for all to read", () => {
    const { volume, files } = resolve({ configMap: { name: "config" } });
    assert.equal(volume?.type === "files" && volume.memory, false);
    assert.deepEqual(files, [
      ["a", "644", "A"],
      ["b.txt", "644", "B"],
      ["bytes", "644", "\0\x01\x02\xff"],
    ]);
  });

  it("a Secret: in memory, marked as secret", () => {
    const { volume, files } = resolve({ secret: { secretName: "secret" } });
    assert.equal(volume?.type === "files" && volume.memory, true);
    assert.deepEqual(files, [
      ["crt", "644", "C", "secret"],
      ["key", "644", "S", "secret"],
    ]);
  });

  it("items: the keys named, at their paths; their mode goes before the default", () => {
    const items = [
      { key: "a", path: "deep/er/a.txt", mode: 0o400 },
      { key: "bytes", path: "raw" },
    ];
    assert.deepEqual(resolve({ configMap: { name: "config", items, defaultMode: 0o600 } }).files, [
      ["deep/er/a.txt", "400", "A"],
      ["raw", "600", "\0\x01\x02\xff"],
    ]);
    assert.deepEqual(resolve({ configMap: { name: "config", items, defaultMode: 0 } }).files[1]?.[1], "0");
  });

  it("fields of the pod", () => {
    const { volume, files } = resolve({
      downwardAPI: {
        defaultMode: 0o444,
        items: [
          { path: "labels", fieldRef: { fieldPath: "metadata.labels" } },
          { path: "cpu", mode: 0o400, resourceFieldRef: { containerName: "main", resource: "limits.cpu" } },
        ],
      },
    });
    assert.equal(volume?.type === "files" && volume.memory, true);
    assert.deepEqual(files, [
      ["cpu", "400", "4"],
      ["labels", "444", 'app="web"'],
    ]);
  });

  it("a later source of a projected volume goes before an earlier one", () => {
    const sources = [
      { configMap: { name: "config", items: [{ key: "a", path: "x" }] } },
      { secret: { name: "secret", items: [{ key: "key", path: "x", mode: 0o440 }] } },
    ];
    assert.deepEqual(resolve({ projected: { sources } }).files, [["x", "440", "S", "secret"]]);
  });

  it("with an fsGroup the group may read, too", () => {
    const grouped = { securityContext: { fsGroup: 2000 } };
    assert.deepEqual(resolve({ secret: { secretName: "secret", defaultMode: 0o400 } }, grouped).files[0]?.[1], "440");
    assert.deepEqual(resolve({ configMap: { name: "config" } }, grouped).files[0]?.[1], "644");
  });
});

describe("what is missing for a volume", () => {
  const mount = (message: string): string => `MountVolume.SetUp failed for volume "v" : ${message}`;
  const nothing = [{ key: "none", path: "p" }];
  const mandatory: readonly (readonly [Omit<Volume, "name">, string, string])[] = [
    [{ configMap: { name: "none" } }, "configMap", 'configmap "none" not found'],
    [{ configMap: { name: "locked" } }, "configMap", 'configmap "locked" cannot be read: forbidden'],
    [{ configMap: { name: "locked", optional: true } }, "configMap", 'configmap "locked" cannot be read: forbidden'],
    [
      { configMap: { name: "config", items: nothing } },
      "configMap.items[0]",
      "references non-existent config key: none",
    ],
    [{ secret: { secretName: "none" } }, "secret", 'secret "none" not found'],
    [
      { secret: { secretName: "secret", items: nothing } },
      "secret.items[0]",
      "references non-existent secret key: none",
    ],
    [
      { projected: { sources: [{ secret: { name: "none" } }] } },
      "projected.sources[0].secret",
      'secret "none" not found',
    ],
    [
      { projected: { sources: [{ clusterTrustBundle: { name: "none", path: "p" } }] } },
      "projected.sources[0].clusterTrustBundle",
      "the API server has no ClusterTrustBundles",
    ],
  ];
  for (const [source, field, message] of mandatory) {
    it(`${field}: ${message}`, () => {
      const { volume, faults, notes, pending } = resolve(source);
      assert.deepEqual(faults, [{ field: `spec.volumes[0].${field}`, reason: "FailedMount", message: mount(message) }]);
      assert.deepEqual([volume, notes, pending], [undefined, [], false]);
    });
  }

  it("of what is optional: empty, or without the key", () => {
    for (const source of [
      { configMap: { name: "none", optional: true } },
      { secret: { secretName: "none", optional: true, items: nothing } },
      { configMap: { name: "config", optional: true, items: nothing } },
      { projected: { sources: [{ secret: { name: "none", optional: true } }] } },
    ]) {
      const { volume, files, faults, notes } = resolve(source);
      assert.equal(volume?.type, "files");
      assert.deepEqual([files, faults, notes], [[], [], []]);
    }
  });

  it("is waited for while it is being read", () => {
    for (const source of [
      { configMap: { name: "waits", optional: true } },
      { projected: { sources: [{ configMap: { name: "config" } }, { secret: { name: "waits" } }] } },
    ]) {
      const { volume, faults, pending } = resolve(source);
      assert.deepEqual([volume, faults, pending], [undefined, [], true]);
    }
  });

  it("does not keep other volumes from being known", () => {
    const findings = newFindings();
    const volumes = ["config", "none", "waits"].map((name) => ({ name, configMap: { name } }));
    const known = podVolumes(knownPod({ volumes }), sourcesOf(cluster), findings);
    assert.deepEqual(
      known.map(({ name }) => name),
      ["config"],
    );
  });
});

describe("tokens", () => {
  const token = (more: object = {}): Omit<Volume, "name"> => ({
    projected: { sources: [{ serviceAccountToken: { path: "token", ...more } }] },
  });

  it("are asked for the pod's ServiceAccount and the audience", () => {
    const asked: TokenSource[] = [];
    const tokens = (source: TokenSource): { readonly state: "found"; readonly value: string } => {
      asked.push(source);
      return { state: "found", value: "t" };
    };
    resolve(token({ audience: "vault", expirationSeconds: 600 }), {}, { tokens });
    resolve(token({ audience: "" }), { serviceAccountName: "" }, { tokens });
    const common = { namespace: "shop", podName: "web-0", podUid: "uid-1" };
    assert.deepEqual(asked, [
      { ...common, serviceAccount: "robot", audience: "vault", expirationSeconds: 600 },
      { ...common, serviceAccount: "default", audience: undefined, expirationSeconds: 3600 },
    ]);
  });

  const text = "token for the API server";
  const user = (runAsUser: number) => ({ securityContext: { runAsUser } });
  const container = (name: string, more: object = {}) => ({ name, image: "i", ...more });
  const modes: readonly (readonly [string, Partial<PodSpec>, readonly unknown[]])[] = [
    ["for all where nobody is named", {}, ["644", text, "secret"]],
    ["for the one user of the pod", user(1000), ["600", text, "secret", 1000]],
    [
      "for the one user of all containers",
      { containers: [container("a", user(7)), container("b", user(7))], initContainers: [container("i", user(7))] },
      ["600", text, "secret", 7],
    ],
    [
      "for all where users differ",
      { ...user(7), containers: [container("a"), container("b", user(8))] },
      ["644", text, "secret"],
    ],
    [
      "for all where one has no user",
      { containers: [container("a", user(7)), container("b")] },
      ["644", text, "secret"],
    ],
    ["for the group", { securityContext: { fsGroup: 5 } }, ["640", text, "secret"]],
  ];
  for (const [name, spec, expected] of modes) {
    it(name, () => assert.deepEqual(resolve(token(), spec).files, [["token", ...expected]]));
  }

  it("that cannot be had keep the volume from being set up", () => {
    const { faults } = resolve(token(), {}, { tokens: () => ({ state: "unreadable", message: "forbidden" }) });
    assert.deepEqual(
      faults.map(({ message }) => message),
      ['MountVolume.SetUp failed for volume "v" : failed to fetch token: forbidden'],
    );
    assert.equal(resolve(token(), {}, { tokens: () => ({ state: "pending" }) }).pending, true);
  });
});

describe("certificates", () => {
  const certificate = (more: object): Omit<Volume, "name"> => ({
    projected: { sources: [{ podCertificate: { signerName: "x/y", keyType: "ED25519", ...more } }] },
  });

  it("in one file or in two", () => {
    assert.deepEqual(resolve(certificate({ credentialBundlePath: "all" })).files, [
      ["all", "644", "KEY\nCHAIN\n", "secret"],
    ]);
    const spec = { securityContext: { runAsUser: 5 } };
    assert.deepEqual(resolve(certificate({ keyPath: "k", certificateChainPath: "c" }), spec).files, [
      ["c", "600", "CHAIN\n", 5],
      ["k", "600", "KEY\n", "secret", 5],
    ]);
  });

  it("of an API server that has none", () => {
    const { faults } = resolve(certificate({ keyPath: "k" }), {}, {});
    assert.match(faults[0]?.message ?? "", /has no PodCertificateRequests/);
  });
});

describe("other volumes", () => {
  const table: readonly (readonly [Omit<Volume, "name">, object])[] = [
    [{ emptyDir: {} }, { type: "emptyDir", medium: "" }],
    [
      { emptyDir: { medium: "Memory", sizeLimit: "64Mi" } },
      { type: "emptyDir", medium: "Memory", sizeLimit: 67_108_864 },
    ],
    [{ emptyDir: { sizeLimit: "0" } }, { type: "emptyDir", medium: "" }],
    [{ hostPath: { path: "/var/log" } }, { type: "hostPath", path: "/var/log", hostPathType: "" }],
    [{ hostPath: { path: "/x", type: "File" } }, { type: "hostPath", path: "/x", hostPathType: "File" }],
    [{ persistentVolumeClaim: { claimName: "c" } }, { type: "backend" }],
    [{ csi: { driver: "d" } }, { type: "backend" }],
    [{ image: { reference: "i" } }, { type: "backend" }],
  ];
  for (const [source, expected] of table) {
    it(JSON.stringify(source), () => assert.deepEqual(resolve(source).volume, { name: "v", ...expected }));
  }
});

describe("claims", () => {
  const source = { persistentVolumeClaim: { claimName: "c" } };

  it("come with what they are bound to, or wait for it", () => {
    const claimed = { name: "pv", nfs: { server: "s", path: "/" } };
    assert.deepEqual(resolve(source, {}, { claims: { c: claimed } }).volume, { name: "v", type: "backend", claimed });
    assert.equal(resolve(source, {}, { claims: { c: "pending" } }).pending, true);
    const [fault] = resolve(source, {}, { claims: {} }).faults;
    assert.equal(fault?.message, 'MountVolume.SetUp failed for volume "v" : persistentvolumeclaim "c" not found');
  });
});

describe("volumes of the backend that need an account", () => {
  const attributes = { shareName: "s", secretName: "secret" };
  for (const source of [
    { azureFile: { shareName: "s", secretName: "secret" } },
    { csi: { driver: "file.csi.azure.com", volumeAttributes: attributes } },
    { csi: { driver: "d", nodePublishSecretRef: { name: "secret" } } },
  ]) {
    it(`${JSON.stringify(source)} comes with its Secret`, () => {
      const { volume, faults } = resolve(source);
      assert.deepEqual(faults, []);
      assert.ok(volume?.type === "backend");
      assert.deepEqual(
        volume.secret?.map(({ path, data, secret }) => [path, Buffer.from(data).toString(), secret]),
        [
          ["crt", "C", true],
          ["key", "S", true],
        ],
      );
    });
  }

  it("wait for one that is not there", () => {
    const { volume, faults } = resolve({ azureFile: { shareName: "s", secretName: "none" } });
    assert.equal(volume, undefined);
    assert.deepEqual(
      faults.map(({ field, message }) => [field, message]),
      [["spec.volumes[0].azureFile.secretName", 'MountVolume.SetUp failed for volume "v" : secret "none" not found']],
    );
  });
});

describe("what is refused", () => {
  const items = (path: string) => [{ key: "a", path }];
  for (const path of ["../a", "a/../../b", "/etc/passwd", "..", "", "a\0b"]) {
    it(`a path: ${JSON.stringify(path)}`, () => {
      const { volume, refusals } = resolve({ configMap: { name: "config", items: items(path) } });
      assert.equal(volume, undefined);
      assert.equal(refusals[0]?.field, "spec.volumes[0].configMap.items[0].path");
    });
  }

  it("but not names that only look so", () => {
    const { files } = resolve({ configMap: { name: "config", items: items("..a/...b/c..") } });
    assert.deepEqual(files, [["..a/...b/c..", "644", "A"]]);
  });

  it("a field that there is not, and a source that nobody knows", () => {
    const field = resolve({ downwardAPI: { items: [{ path: "p", fieldRef: { fieldPath: "status.podIP" } }] } });
    assert.equal(field.refusals[0]?.field, "spec.volumes[0].downwardAPI.items[0].fieldRef.fieldPath");
    assert.equal(resolve({ projected: { sources: [{}] } }).refusals[0]?.field, "spec.volumes[0].projected.sources[0]");
  });

  it("more bytes than any configuration has", () => {
    const data = Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`k${index}`, "x".repeat(1024 * 1024)]));
    const { refusals } = resolve({ configMap: { name: "large" } }, {}, { configMaps: { large: { data } } });
    assert.match(refusals[0]?.message ?? "", /more than/);
  });
});
