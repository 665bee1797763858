// Flags, environment and file as a user gives them: what comes of them, and what is said about faults.
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type Config, processDefaults } from "./config.ts";
import { parseConfigFile } from "./config-file.ts";
import { UsageError } from "./fault.ts";
import { type LoadedConfig, loadConfig } from "./load-config.ts";
import { environmentLayer, flagLayer } from "./overrides.ts";
import { printConfig } from "./print-config.ts";
import { resolveConfig } from "./resolve-config.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "program-config-"));
});
after(() => rm(directory, { recursive: true }));

interface Given {
  readonly argv?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly file?: string;
}

async function load({ argv = [], env = {}, file }: Given): Promise<LoadedConfig> {
  if (file !== undefined) await writeFile(join(directory, "vk.yaml"), file);
  return loadConfig({ argv: file === undefined ? argv : ["--config", "vk.yaml", ...argv], env, cwd: directory });
}

async function faultsOf(given: Given): Promise<readonly string[]> {
  try {
    await load(given);
  } catch (error) {
    assert.ok(error instanceof UsageError);
    return error.faults.map(
      ({ source, path, message }) => `${source}: ${path === undefined ? "" : `${path}: `}${message}`,
    );
  }
  return [];
}

const mock = ["--provider", "mock"];

test("with a provider alone, everything is at its default", async () => {
  const { config, notices, metricsAddrGiven } = await load({ argv: mock });
  const expected: Config = {
    ...processDefaults,
    nodes: [
      {
        name: "virtual-kubelet",
        provider: { name: "mock" },
        operatingSystem: "linux",
        labels: {},
        annotations: {},
        addresses: [],
        capacity: {},
        port: 10250,
        taints: [{ key: "virtual-kubelet.io/provider", value: "mock", effect: "NoSchedule" }],
      },
    ],
  };
  assert.deepEqual(config, expected);
  assert.deepEqual(notices, []);
  assert.equal(metricsAddrGiven, false);
});

describe("each flag has its effect", () => {
  const cases: readonly (readonly [string, (config: Config) => unknown, unknown])[] = [
    ["--kubeconfig=/k", (c) => c.kubeconfig, "/k"],
    ["--kube-context=other", (c) => c.kubeContext, "other"],
    ["--cluster-id=c1", (c) => c.clusterId, "c1"],
    ["--cluster-domain=example.org", (c) => c.clusterDomain, "example.org"],
    ["--nodename=vk", (c) => c.nodes[0]?.name, "vk"],
    ["--nodes=2", (c) => c.nodes.map(({ name }) => name), ["virtual-kubelet-0", "virtual-kubelet-1"]],
    ["--os=windows", (c) => c.nodes[0]?.operatingSystem, "windows"],
    ["--provider-config=/p.json", (c) => c.nodes[0]?.provider, { name: "mock", configPath: "/p.json" }],
    ["--disable-taint", (c) => c.nodes[0]?.taints, []],
    ["--disable-taint=false", (c) => c.nodes[0]?.taints.length, 1],
    ["--taint=example.com/x", (c) => c.nodes[0]?.taints[0]?.key, "example.com/x"],
    ["--shutdown-node=not-ready", (c) => c.node.onShutdown, "not-ready"],
    ["--shutdown-when=always", (c) => c.shutdown.when, "always"],
    ["--shutdown-grace-period=1m", (c) => c.shutdown.gracePeriod, 60_000],
    ["--node-status-interval=2m", (c) => c.node.statusInterval, 120_000],
    ["--lease-duration=1m", (c) => c.lease.duration, 60_000],
    ["--ping-interval=1s", (c) => c.ping.interval, 1000],
    ["--ping-timeout=500ms", (c) => c.ping.timeout, 500],
    ["--ping-threshold=5", (c) => c.ping.threshold, 5],
    ["--poll-min-interval=2s", (c) => c.poll, { minInterval: 2000, maxInterval: 30_000 }],
    ["--poll-max-interval=1h", (c) => c.poll.maxInterval, 3_600_000],
    ["--provider-call-timeout=10s", (c) => c.providerCallTimeout, 10_000],
    ["--pod-sync-workers=1", (c) => c.podSyncWorkers, 1],
    ["--pod-status-workers=7", (c) => c.podStatusWorkers, 7],
    ["--full-resync-period=1m30s", (c) => c.fullResyncPeriod, 90_000],
    ["--orphan-grace=0", (c) => c.orphanGrace, 0],
    ["--watch-per-node-limit=0", (c) => c.watch.perNodeLimit, 0],
    ["--startup-timeout=1h", (c) => c.startupTimeout, 3_600_000],
    ["--web-view", (c) => c.webView, { enabled: true, insecureWithoutAuthentication: false }],
    ["--metrics-addr=:10255", (c) => c.metricsAddr, ":10255"],
    ["--metrics-addr=[::1]:0", (c) => c.metricsAddr, "[::1]:0"],
    ["--metrics-addr=0", (c) => c.metricsAddr, "0"],
    ["--metrics-addr=", (c) => c.metricsAddr, ""],
    ["--stream-idle-timeout=4h", (c) => c.streams.idleTimeout, 14_400_000],
    ["--log-level=WARNING", (c) => c.logging.level, "warn"],
    ["--log-level=trace", (c) => c.logging.level, "debug"],
    ["--log-format=json", (c) => c.logging.format, "json"],
    ["--klog.v=4", (c) => c.logging.level, "debug"],
    ["--klog.v=0", (c) => c.logging.level, "info"],
    ["--cluster-dns=10.0.0.10,fd00::a", (c) => c.clusterDNS, ["10.0.0.10", "fd00::a"]],
    ["--trace-exporter=otlp", (c) => c.tracing.exporters, ["otlp"]],
    ["--trace-endpoint=http://h:1/x", (c) => c.tracing.endpoint, "http://h:1/x"],
    ["--trace-service-name=me", (c) => c.tracing.serviceName, "me"],
    ["--trace-tag=a=b=c", (c) => c.tracing.tags, { a: "b=c" }],
    ["--trace-sample-rate=never", (c) => c.tracing.sampleRatio, 0],
    ["--trace-sample-rate=12.5", (c) => c.tracing.sampleRatio, 0.125],
  ];
  for (const [flag, of, expected] of cases) {
    test(flag, async () => assert.deepEqual(of((await load({ argv: [...mock, flag] })).config), expected));
  }
});

describe("each variable has its effect", () => {
  const cases: readonly (readonly [string, string, (config: Config) => unknown, unknown])[] = [
    ["KUBECONFIG", "/a:/b", (c) => c.kubeconfig, "/a:/b"],
    ["DEFAULT_NODE_NAME", "vk-9", (c) => c.nodes.map(({ name }) => name), ["vk-9"]],
    ["KUBELET_PORT", "10260", (c) => c.nodes[0]?.port, 10260],
    ["VKUBELET_POD_IP", "10.0.0.7", (c) => c.nodes[0]?.internalIP, "10.0.0.7"],
    ["VKUBELET_TAINT_KEY", "k", (c) => c.nodes[0]?.taints, [{ key: "k", value: "mock", effect: "NoSchedule" }]],
    ["VKUBELET_TAINT_VALUE", "v", (c) => c.nodes[0]?.taints[0]?.value, "v"],
    ["VKUBELET_TAINT_EFFECT", "NoExecute", (c) => c.nodes[0]?.taints[0]?.effect, "NoExecute"],
    ["APISERVER_CA_CERT_LOCATION", "/ca", (c) => c.kubelet.clientCAFile, "/ca"],
    ["OTEL_TRACES_EXPORTER", "otlp", (c) => c.tracing.exporters, ["otlp"]],
    ["OTEL_TRACES_EXPORTER", "none", (c) => c.tracing.exporters, []],
    ["OTEL_SERVICE_NAME", "svc", (c) => c.tracing.serviceName, "svc"],
    ["KUBELET_PORT", "", (c) => c.nodes[0]?.port, 10250],
  ];
  for (const [name, value, of, expected] of cases) {
    test(`${name}=${value}`, async () =>
      assert.deepEqual(of((await load({ argv: mock, env: { [name]: value } })).config), expected));
  }
});

describe("flags win over environment, over file, over defaults", () => {
  const file =
    "nodeDefaults: {provider: {name: mock}, port: 1, internalIP: 10.0.0.1}\nkubeconfig: /file\ntracing: {serviceName: file, tags: {a: file, b: file}}\n";
  const of = ({ config }: LoadedConfig): unknown => [
    config.kubeconfig,
    config.tracing.serviceName,
    config.nodes[0]?.port,
    config.nodes[0]?.name,
  ];
  const env = { KUBECONFIG: "/env", OTEL_SERVICE_NAME: "env", KUBELET_PORT: "2", DEFAULT_NODE_NAME: "env" };
  const argv = ["--kubeconfig=/flag", "--trace-service-name=flag", "--nodename=flag"];
  test("file", async () => assert.deepEqual(of(await load({ file })), ["/file", "file", 1, "virtual-kubelet"]));
  test("environment", async () => assert.deepEqual(of(await load({ file, env })), ["/env", "env", 2, "env"]));
  test("flags", async () => assert.deepEqual(of(await load({ file, env, argv })), ["/flag", "flag", 2, "flag"]));
  test("tags add up", async () => {
    const { config } = await load({ file, argv: ["--trace-tag", "b=flag", "--trace-tag", "c=flag"] });
    assert.deepEqual(config.tracing.tags, { a: "file", b: "flag", c: "flag" });
  });
});

describe("nodes of the file", () => {
  const file = `
nodeDefaults:
  provider: {name: mock, config: {cpu: "4"}}
  labels: {a: "1", b: "1"}
nodes:
  - {name: "vk-{}-x", count: 2, labels: {b: "2"}}
  - {name: other, provider: {name: ./other.js}, taints: []}
  - {name: third, provider: {configPath: third.json}}
`;
  test("are numbered, merged with the defaults, and their paths are the file's", async () => {
    const { config } = await load({ file });
    assert.deepEqual(
      config.nodes.map(({ name, labels, provider, taints }) => ({ name, labels, provider, taints: taints.length })),
      [
        { name: "vk-0-x", labels: { a: "1", b: "2" }, provider: { name: "mock", config: { cpu: "4" } }, taints: 1 },
        { name: "vk-1-x", labels: { a: "1", b: "2" }, provider: { name: "mock", config: { cpu: "4" } }, taints: 1 },
        { name: "other", labels: { a: "1", b: "1" }, provider: { name: join(directory, "other.js") }, taints: 0 },
        {
          name: "third",
          labels: { a: "1", b: "1" },
          provider: { name: "mock", configPath: join(directory, "third.json") },
          taints: 1,
        },
      ],
    );
  });
  test("--nodename picks one with its settings", async () => {
    const { config } = await load({ file, argv: ["--nodename", "other"] });
    assert.deepEqual(
      config.nodes.map(({ name, taints }) => ({ name, taints })),
      [{ name: "other", taints: [] }],
    );
  });
  test("--nodename picks one of the numbered with their settings", async () => {
    const { config } = await load({ file, argv: ["--nodename", "vk-1-x"] });
    assert.deepEqual(
      config.nodes.map(({ name, labels }) => ({ name, labels })),
      [{ name: "vk-1-x", labels: { a: "1", b: "2" } }],
    );
  });
  test("--provider holds for all and drops the settings of another", async () => {
    const { config } = await load({ file, argv: ["--provider", "pkg"] });
    assert.deepEqual(
      config.nodes.map(({ provider }) => provider),
      Array(4).fill({ name: "pkg" }),
    );
  });
  test("--nodes needs to know which", async () =>
    assert.deepEqual(await faultsOf({ file, argv: ["--nodes", "2"] }), [
      "--nodes: the configuration file lists 3 nodes: say with --nodename which one is meant",
    ]));
  test("sections without content are as good as absent", async () => {
    const { config } = await load({ file: "tracing:\nnodes:\nnodeDefaults:\n  labels:\n  provider: {name: mock}\n" });
    assert.deepEqual(config.tracing, processDefaults.tracing);
  });
});

describe("faults", () => {
  test("of flags, environment and file are told all at once, each with its place", async () => {
    const file = `podSyncWorkrs: 3
fullResyncPeriod: 30
node:
  onShutdown: leav
nodes:
  - name: vk-0
    taints: [{key: k, effect: NoSchedul}]
    capacity: {cpu: 4}
  - nme: vk-1
`;
    const given = {
      file,
      argv: ["--nodenme", "x", "--pod-sync-workers=0", "--provider=mock"],
      env: { KUBELET_PORT: "http" },
    };
    assert.deepEqual(await faultsOf(given), [
      "--nodenme: unknown flag (did you mean --nodename?)",
      "--pod-sync-workers: 0 must be a whole number from 1 to 10000",
      '$KUBELET_PORT: "http" must be a whole number',
      "vk.yaml:1:1: podSyncWorkrs: unknown setting (did you mean podSyncWorkers?)",
      'vk.yaml:2:19: fullResyncPeriod: 30 must be a duration such as "30s" or "1m30s", at least 1s',
      'vk.yaml:4:15: node.onShutdown: "leav" must be one of leave, not-ready, delete (did you mean leave?)',
      'vk.yaml:7:31: nodes[0].taints[0].effect: "NoSchedul" must be one of NoSchedule, PreferNoSchedule, NoExecute (did you mean NoSchedule?)',
      'vk.yaml:8:21: nodes[0].capacity.cpu: 4 must be a quantity in quotes, such as "4", "500m" or "16Gi"',
      "vk.yaml:9:5: nodes[1].name: missing",
      "vk.yaml:9:5: nodes[1].nme: unknown setting (did you mean name?)",
    ]);
  });
  const cases: readonly (readonly [string, Given, readonly string[]])[] = [
    [
      "no provider",
      {},
      [
        '--provider: node virtual-kubelet has no provider: give a built-in name (see "providers"), an npm package, or the path of a module',
      ],
    ],
    [
      "a misspelt key of a provider is no missing provider",
      {
        file: "nodes:\n  - name: a\n    provider: {nam: mock}\n  - name: b\n    providr: {name: mock}\n  - name: c\n",
      },
      [
        "vk.yaml:3:16: nodes[0].provider.nam: unknown setting (did you mean name?)",
        "vk.yaml:5:5: nodes[1].providr: unknown setting (did you mean provider?)",
        'vk.yaml:6:11: node c has no provider: give a built-in name (see "providers"), an npm package, or the path of a module',
      ],
    ],
    [
      "the same in what all nodes have",
      { file: "nodeDefaults: {provider: {nme: mock}}\nnodes: [{name: a}, {name: b}]\n" },
      ["vk.yaml:1:27: nodeDefaults.provider.nme: unknown setting (did you mean name?)"],
    ],
    ["a flag without its value", { argv: [...mock, "--nodename"] }, ["--nodename: needs a value"]],
    [
      "a bare number as duration",
      { argv: [...mock, "--ping-timeout=30"] },
      ['--ping-timeout: "30" must be a duration such as "30s" or "1m30s"'],
    ],
    [
      "a boolean that is none",
      { argv: [...mock, "--disable-taint=maybe"] },
      ['--disable-taint: "maybe" must be true or false'],
    ],
    [
      "case matters for --os",
      { argv: [...mock, "--os=Linux"] },
      ['--os: "Linux" must be one of linux, windows (did you mean linux?)'],
    ],
    [
      "a reserved tag",
      { argv: [...mock, "--trace-tag=nodeName=x"] },
      ['--trace-tag: "nodeName" is a reserved tag (operatingSystem, provider, nodeName)'],
    ],
    ["a tag without value", { argv: [...mock, "--trace-tag=x"] }, ['--trace-tag: "x" must be KEY=VALUE']],
    [
      "a sample rate out of range",
      { argv: [...mock, "--trace-sample-rate=101"] },
      ['--trace-sample-rate: "101" must be always, never, or from 0 to 100'],
    ],
    [
      "an unknown exporter",
      { argv: [...mock, "--trace-exporter=otpl"] },
      ['--trace-exporter: "otpl" must be one of otlp, jaeger, ocagent, zpages (did you mean otlp?)'],
    ],
    [
      "a log level",
      { argv: [...mock, "--log-level=inf"] },
      ['--log-level: "inf" must be one of debug, info, warn, error (did you mean info?)'],
    ],
    [
      "a metrics address",
      { argv: [...mock, "--metrics-addr=10255"] },
      ['--metrics-addr: "10255" must be host:port, :port, or "0" for none'],
    ],
    [
      "a web view without an address",
      { argv: [...mock, "--web-view", "--metrics-addr=0"] },
      ['--web-view: webView.enabled: needs metricsAddr, such as 127.0.0.1:10255, and not "0"'],
    ],
    [
      "an open web view beyond loopback",
      { argv: [...mock, "--web-view", "--insecure-web-view-without-authentication", "--metrics-addr=:10255"] },
      [
        '--insecure-web-view-without-authentication: webView.insecureWithoutAuthentication: needs a metricsAddr on loopback, such as 127.0.0.1:10255, and not ":10255"',
      ],
    ],
    [
      "an open web view that is off",
      { argv: [...mock, "--insecure-web-view-without-authentication"] },
      [
        "--insecure-web-view-without-authentication: webView.insecureWithoutAuthentication: must come together with webView.enabled",
      ],
    ],
    [
      "a web view beyond loopback without the kubelet API",
      { argv: [...mock, "--web-view", "--kubelet-api=false", "--metrics-addr=[2001:db8::1]:1"] },
      [
        '--web-view: webView.enabled: needs kubelet.serve where metricsAddr is not loopback ("[2001:db8::1]:1"): it is served with the certificate of the kubelet API',
      ],
    ],
    [
      "an address that is none",
      { argv: mock, env: { VKUBELET_POD_IP: "host" } },
      ['$VKUBELET_POD_IP: "host" must be an IP address'],
    ],
    [
      "a taint effect",
      { argv: mock, env: { VKUBELET_TAINT_EFFECT: "no" } },
      ['$VKUBELET_TAINT_EFFECT: "no" must be one of NoSchedule, PreferNoSchedule, NoExecute'],
    ],
    [
      "a node name",
      { argv: [...mock, "--nodename=VK_0"] },
      ['--nodename: "VK_0" must be lower-case letters, digits, "-" and ".", and may hold one "{}" for the number'],
    ],
    [
      "a pattern without a number",
      { argv: [...mock, "--nodename=vk-{}"] },
      ['--nodename: "vk-{}" is a pattern: say how many nodes (--nodes, or count in the file)'],
    ],
    [
      "poll intervals the wrong way round",
      { argv: [...mock, "--poll-min-interval=1m"] },
      ["--poll-min-interval: poll.minInterval: must not be longer than poll.maxInterval (--poll-max-interval)"],
    ],
    [
      "two nodes of one name",
      { argv: mock, file: "nodes: [{name: a}, {name: a}]" },
      ["vk.yaml:1:27: two nodes are named a"],
    ],
    [
      "YAML that is none",
      { argv: mock, file: "a: [1\nb: 2\n" },
      ["vk.yaml:2:1: Flow sequence in block collection must be sufficiently indented and end with a ]"],
    ],
    [
      "an alias to nothing",
      { argv: mock, file: "clusterId: *none\n" },
      ["vk.yaml: Unresolved alias (the anchor must be set before the alias): none"],
    ],
    ["a file that is no map", { argv: mock, file: "- a\n" }, ["vk.yaml:1:1: a list must be a map"]],
    [
      "a section that is no map",
      { argv: mock, file: "ping: [5s]\ntracing: {tags: [a]}\nlease: 40s\n" },
      [
        "vk.yaml:1:1: ping: a list must be a map",
        "vk.yaml:2:11: tracing.tags: a list must be a map",
        'vk.yaml:3:8: lease: "40s" must be a map',
      ],
    ],
    ["a key twice", { argv: mock, file: "clusterId: a\nclusterId: b\n" }, ["vk.yaml:2:1: Map keys must be unique"]],
    [
      "a file that is not there",
      { argv: [...mock, "--config=none.yaml"] },
      ["none.yaml: cannot be read: ENOENT: no such file or directory, open"],
    ],
  ];
  for (const [name, given, expected] of cases) {
    test(name, async () => {
      const faults = await faultsOf(given);
      assert.equal(faults.length, expected.length, faults.join("\n"));
      for (const [index, fault] of faults.entries())
        assert.ok(fault.startsWith(expected[index] ?? "?"), `${fault}\n${expected[index]}`);
    });
  }
});

test("certificate and key of the kubelet API come by environment, and only together", async () => {
  const env = { APISERVER_CERT_LOCATION: "/c", APISERVER_KEY_LOCATION: "/k" };
  const { config } = await load({ argv: mock, env });
  assert.equal(config.kubelet.certFile, "/c");
  assert.equal(config.kubelet.keyFile, "/k");
  for (const [name, value] of Object.entries(env))
    await assert.rejects(load({ argv: mock, env: { [name]: value } }), /kubelet\.\w+.*must come together with/);
  await assert.rejects(load({ argv: [...mock, "--server-tls-bootstrap"], env }), /must not be set beside/);
});

describe("ports of the kubelet API", () => {
  const ports = async (argv: string[], env: Record<string, string> = {}): Promise<number[]> =>
    (await load({ argv: [...mock, ...argv], env })).config.nodes.map(({ port }) => port);

  test("a single node has the usual one, several have free ones, a given one counts up", async () => {
    assert.deepEqual(await ports([]), [10250]);
    assert.deepEqual(await ports(["--nodes", "1"]), [10250]);
    assert.deepEqual(await ports(["--nodes", "3"]), [0, 0, 0]);
    assert.deepEqual(await ports(["--nodes", "3", "--kubelet-port", "20000"]), [20000, 20001, 20002]);
    assert.deepEqual(await ports(["--nodes", "2"], { KUBELET_PORT: "20000" }), [20000, 20001]);
    assert.deepEqual(await ports(["--nodes", "2", "--kubelet-port", "0"]), [0, 0]);
    assert.deepEqual(await ports(["--nodes", "2", "--kubelet-shared-port"]), [10250, 10250]);
    assert.deepEqual(await ports(["--nodes", "2", "--kubelet-api=false"]), [10250, 10250]);
  });

  test("two nodes on one port of one address, and ports past the last, are faults that name the nodes", async () => {
    const twice = "nodes: [{name: a, port: 1000}, {name: b, port: 1000}]\nnodeDefaults: {provider: {name: mock}}";
    await assert.rejects(load({ file: twice }), /nodes a and b both listen on port 1000/);
    const apart = twice.replace("name: b,", "name: b, listenAddress: 127.0.0.2,");
    assert.equal((await load({ file: apart })).config.nodes[1]?.listenAddress, "127.0.0.2");
    await assert.rejects(ports(["--nodes", "3", "--kubelet-port", "65534"]), /would have port 65536/);
  });
});

test("what has no effect is told in one line each", async () => {
  const { notices } = await load({
    argv: [...mock, "--namespace=x", "--enable-node-lease=false", "--klog.logtostderr", "--taint=k"],
  });
  assert.deepEqual(notices, [
    "--namespace has no effect: pods of all namespaces are served",
    "--enable-node-lease has no effect: leases are always on",
    "--klog.logtostderr has no effect: logs go to standard error, as lines of JSON or text; see --log-level and --log-format",
    "--taint is deprecated: use VKUBELET_TAINT_KEY or the configuration file",
  ]);
});

describe("--print-config", () => {
  test("reads back as the same configuration", async () => {
    const file =
      "nodeDefaults: {provider: {name: mock, config: {cpu: 4}}, capacity: {cpu: '4'}}\nnodes: [{name: 'n-{}', count: 2}]\nping: {timeout: 1500ms}\ntracing: {exporters: [otlp], tags: {a: b}}\nmetricsAddr: ':1'\n";
    const { config } = await load({ file });
    const again = parseConfigFile(printConfig(config), "printed.yaml", directory);
    const resolved = resolveConfig({ flags: flagLayer(new Map()), environment: environmentLayer({}), file: again });
    assert.deepEqual(resolved.faults, []);
    assert.deepEqual(resolved.config, config);
  });
  test("shows no secrets", async () => {
    const file =
      "nodeDefaults: {provider: {name: mock, config: {apiToken: hunter2, nested: [{password: hunter2}], region: eu}}}";
    const printed = printConfig((await load({ file })).config);
    assert.ok(!printed.includes("hunter2"), printed);
    assert.match(printed, /region: eu/);
    assert.match(printed, /apiToken: "\[redacted\]"/);
  });
});
