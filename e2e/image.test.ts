// The container image, built without any other: what is in it, that the same tree makes the same image, and that a container of it
// is a node of a cluster with nothing but a kubeconfig: as nobody in particular, on a file system that nobody can write to, without a
// capability. Needs root on Linux and Debian's podman, runc, netavark and apt.
import assert from "node:assert/strict";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { runTool } from "../packages/virtual-kubelet/src/host/run-tool.ts";
import { buildImage } from "../scripts/image/build-image.ts";
import type { Architecture } from "../scripts/image/debian-packages.ts";
import { imageContext } from "../scripts/image/image-context.ts";
import { versionOfCore } from "../scripts/image/program-tree.ts";
import { runCommand } from "../scripts/packages/run-command.ts";
import { root, workspacePackages } from "../scripts/packages/workspace.ts";
import { eventually, type Harness, isRunning, podObject, startHarness } from "./harness.ts";
import { isAsTold } from "./image-page.ts";
import { startFakeAlibaba, startFakeAws, startFakeAzure, walkCloud } from "./install-cloud.ts";
import { walkNomad } from "./install-nomad.ts";
import { walkHostEngine, walkInstallation } from "./install-walk.ts";
import { benchImage, PodmanBench } from "./podman.ts";

/** Megabytes that the smaller image may take; nine tenths are Node.js. */
const ceiling = 170;
const names = {
  core: "localhost/virtual-kubelet:core",
  again: "localhost/virtual-kubelet:again",
  containers: "localhost/virtual-kubelet:containers",
  aci: "localhost/virtual-kubelet:aci",
  fargate: "localhost/virtual-kubelet:fargate",
  nomad: "localhost/virtual-kubelet:nomad",
  eci: "localhost/virtual-kubelet:eci",
};
const variants = [[], ["containers"], ["aci"], ["fargate"], ["nomad"], ["eci"]];
const architecture: Architecture = process.arch === "arm64" ? "arm64" : "amd64";
const version = versionOfCore();
const container = "virtual-kubelet";
/** What the containers provider needs to mount volumes, to give files to the users of pods, and to enter their networks. */
const capabilities = "CHOWN,DAC_OVERRIDE,DAC_READ_SEARCH,FOWNER,SYS_ADMIN,SYS_PTRACE";

describe("the container image", () => {
  const directory = mkdtempSync(join(tmpdir(), "virtual-kubelet-image-"));
  const context = join(directory, "context");
  let harness: Harness;
  let podman: PodmanBench;
  let size = 0;

  async function build(tag: string, variant: string): Promise<number> {
    const engine = { kind: "podman" as const, run: (args: readonly string[]) => podman.podman(...args) };
    return buildImage(engine, { context, variant, tag, version, revision: "test", architecture, epoch: 0 });
  }

  before(async () => {
    const projects = workspacePackages().map((each) => each.directory);
    await runCommand(join(root, "node_modules/.bin/tsc"), ["-b", ...projects], { cwd: root });
    await imageContext({ directory: context, variants, architecture, epoch: 0 });
    podman = await PodmanBench.start();
    harness = await startHarness();
    size = await build(names.core, "core");
  });
  after(async () => {
    await harness?.[Symbol.asyncDispose]();
    await podman?.[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
  });

  /** A file that the image's user may read. */
  async function readable(name: string, content: string): Promise<string> {
    const file = await harness.writeFile(name, content);
    chmodSync(file, 0o644);
    return file;
  }

  /** Of `container`, with this configuration and the administrator's kubeconfig, on the network of this machine. */
  async function start(image: string, configuration: object, args: readonly string[]): Promise<void> {
    const loopback = { kubelet: { address: "127.0.0.1" }, nodeDefaults: { internalIP: "127.0.0.1" }, metricsAddr: "0" };
    const config = await readable("config.yaml", JSON.stringify({ ...configuration, ...loopback }));
    const kubeconfig = await readable("kubeconfig", readFileSync(harness.cluster.kubeconfig, "utf8"));
    await podman.podman(
      ...["run", "--detach", "--name", container, "--network=host", "--read-only", "--read-only-tmpfs=false"],
      ...["--volume", `${config}:/etc/virtual-kubelet/config.yaml:ro`],
      ...["--volume", `${kubeconfig}:/etc/virtual-kubelet/kubeconfig:ro`],
      ...["--env", "KUBECONFIG=/etc/virtual-kubelet/kubeconfig", "--env", "KUBELET_PORT=0"],
      ...[...args, image, "--config=/etc/virtual-kubelet/config.yaml"],
    );
  }

  /** By itself, and with code 0: what is killed has another. */
  async function stop(): Promise<void> {
    await podman.podman("stop", "--time=40", container);
    const code = await podman.podman("inspect", "--format", "{{.State.ExitCode}}", container);
    assert.equal(code, "0", await podman.podman("logs", container));
  }

  async function isReady(node: string): Promise<void> {
    await harness.nodeIsReady(node).catch(async (error: unknown) => {
      throw new Error(`${String(error)}\n${await podman.podman("logs", container)}`);
    });
  }

  /** podman run of a short command of the image; answers what it says. */
  const once = (image: string, ...args: string[]): Promise<string> =>
    podman.podman("run", "--rm", "--network=none", "--read-only", "--cap-drop=all", image, ...args);

  test(`is smaller than ${ceiling} MB, and says what it is`, async () => {
    assert.ok(size / 1e6 < ceiling, `${(size / 1e6).toFixed(1)} MB`);
    isAsTold(size, "core");
    const [inspected]: unknown[] = JSON.parse(await podman.podman("image", "inspect", names.core));
    const { Config: config, Architecture: of } = asRecord(inspected);
    assert.equal(of, architecture);
    const { User, Entrypoint, StopSignal, Labels } = asRecord(config);
    assert.deepEqual([User, Entrypoint, StopSignal], ["65532:65532", ["/usr/bin/virtual-kubelet"], "SIGTERM"]);
    const labels = asRecord(Labels);
    assert.equal(labels["org.opencontainers.image.version"], version);
    assert.equal(labels["org.opencontainers.image.licenses"], "Apache-2.0");
    assert.equal(labels["org.opencontainers.image.created"], "1970-01-01T00:00:00Z");
    assert.match(
      await once(names.core, "--version"),
      new RegExp(`^Version: v${version}, Built: unknown\nNode.js: v24\\.`),
    );
  });

  test("has no shell, sources, tests or maps, and nothing that its user could write", async () => {
    const id = await podman.podman("create", names.core);
    const archive = join(directory, "image.tar");
    await podman.podman("export", "--output", archive, id);
    await podman.podman("rm", id);
    const lines = (await runCommand("tar", ["--numeric-owner", "-tvf", archive])).split("\n");
    const files = lines.map((line) => {
      const [mode = "", owner = "", , , , ...path] = line.split(/\s+/);
      return { mode, owner, path: path.join(" ") };
    });
    assert.ok(files.length > 1000);
    const ours = files.filter(({ path }) => !/^(dev|proc|sys|run)\//.test(path));
    const unwanted = ours.filter(({ path }) =>
      /(^|\/)(sh|bash|dash|busybox|env|apt|dpkg|npm|tsc)$|\.test\.|\.map$|\.[mc]?ts$|testing\/|\/src\/.*\.ts|\/\.git/.test(
        path,
      ),
    );
    assert.deepEqual(
      unwanted.slice(0, 10).map(({ path }) => path),
      [],
    );
    const writable = ours.filter(
      ({ mode, owner }) => owner !== "0/0" || (!mode.startsWith("l") && /^.{5}w|^.{8}w|[sS]/.test(mode)),
    );
    const allowed = ["tmp/", "var/lib/virtual-kubelet/"];
    assert.deepEqual(
      writable.map(({ path }) => path).filter((path) => !allowed.includes(path)),
      [],
    );
    const paths = new Set(ours.map(({ path }) => path));
    for (const path of [
      "etc/ssl/certs/ca-certificates.crt",
      "usr/share/doc/nodejs/copyright",
      "usr/share/doc/libc6/copyright",
    ])
      assert.ok(paths.has(path), path);
    const documents = join("usr/share/doc/virtual-kubelet");
    await runCommand("tar", [
      "-xf",
      archive,
      "-C",
      directory,
      join(documents, "sbom.cdx.json"),
      join(documents, "packages.txt"),
    ]);
    const bill = await runCommand("cat", [join(directory, documents, "sbom.cdx.json")]);
    const { components } = asRecord(JSON.parse(bill));
    const purls = (Array.isArray(components) ? components : []).map((each: unknown) => String(asRecord(each)["purl"]));
    for (const start of [
      "pkg:npm/undici@",
      "pkg:deb/debian/libc6@",
      "pkg:generic/nodejs@24.",
      "pkg:npm/%40virtual-kubelet/virtual-kubelet@",
    ])
      assert.ok(
        purls.some((purl) => purl.startsWith(start)),
        start,
      );
    assert.ok(!purls.some((purl) => /typescript|biome|fast-check/.test(purl)), "only what is in it");
    assert.match(await runCommand("cat", [join(directory, documents, "packages.txt")]), /^libc6 \S+ \S+$/m);
  });

  test("is the same image again when it is built again, without what the engine remembers", async () => {
    await podman.podman("tag", names.core, names.again);
    const id = (image: string): Promise<string> =>
      podman.podman("image", "inspect", "--format", "{{.Id}} {{.RootFS.Layers}}", image);
    const first = await id(names.again);
    await podman.podman("untag", names.core);
    const engine = {
      kind: "podman" as const,
      run: ([command = "", ...args]: readonly string[]) =>
        podman.podman(command, ...(command === "build" ? ["--no-cache"] : []), ...args),
    };
    await buildImage(engine, {
      context,
      variant: "core",
      tag: names.core,
      version,
      revision: "test",
      architecture,
      epoch: 0,
    });
    assert.equal(await id(names.core), first);
  });

  test("has the providers that it was asked for", async () => {
    isAsTold(await build(names.containers, "containers"), "containers");
    const plan = ["plan", "--provider", "containers"];
    assert.match(await once(names.containers, ...plan, "--help"), /plan/);
    await assert.rejects(
      once(names.core, "--nodename=a", "--provider=containers", "--kubeconfig=/none"),
      /is not installed/,
    );
    await assert.rejects(once(names.containers, "--nodename=a", "--provider=containers", "--kubeconfig=/none"), /none/);
  });

  test("a container of it is a node: pods, logs and commands; it ends in a moment and has written nothing", async () => {
    const nodes = [{ name: "in-a-container", provider: { name: "mock" } }];
    await start(names.core, { nodes }, [...["--cap-drop=all", "--security-opt=no-new-privileges"]]);
    await isReady("in-a-container");
    await harness.apply(podObject("sample"));
    await harness.untilPod("runs", "sample", 20_000, isRunning);
    await eventually("its log", 10_000, async () => (await harness.kubectl("logs", "sample")) !== "");
    assert.equal(await harness.kubectl("exec", "sample", "--", "echo", "hello"), "hello");
    assert.match(await podman.podman("exec", container, "virtual-kubelet", "--version"), /^Version: v/);
    const status = await podman.podman("top", container, "huser", "capeff", "args");
    assert.match(status, /^65532 +none +\/usr\/bin\/node \/usr\/bin\/virtual-kubelet/m);
    await stop();
    // Places where something was mounted.
    const mounted =
      /^[AC] \/(etc|run|proc|sys|dev)?(\/(hosts|hostname|resolv\.conf|mtab|virtual-kubelet|\.containerenv|secrets).*)?$/;
    const changes = (await podman.podman("diff", container)).split("\n");
    assert.deepEqual(
      changes.filter((line) => line !== "" && !mounted.test(line)),
      [],
    );
    await podman.podman("rm", container);
  });

  test("is installed in a cluster by docs/install.md, command by command", async () => {
    const said = await walkInstallation({ harness, podman, image: names.core, version });
    assert.match(said, /^ok +permissions .* has all \d+ rights/m);
  });

  test("with the containers provider it runs pods in the engine of its host, which is told of its mounts", async () => {
    const state = join(podman.directory, "state-of-image");
    mkdirSync(state);
    // As `/` is where systemd runs.
    await runTool("mount", ["--bind", state, state]);
    await runTool("mount", ["--make-shared", state]);
    const config = { endpoint: podman.endpoint, stateDirectory: state, cgroupParent: podman.cgroupParent };
    await start(names.containers, { nodes: [{ name: "edge", provider: { name: "containers", config } }] }, [
      ...["--user=0:0", "--pid=host", "--cap-drop=all", `--cap-add=${capabilities}`],
      ...["--security-opt=seccomp=unconfined", "--security-opt=apparmor=unconfined"],
      ...["--volume", `${podman.socket}:${podman.socket}`, "--volume", `${state}:${state}:rshared`],
    ]);
    await isReady("edge");
    const secret = { apiVersion: "v1", kind: "Secret", metadata: { name: "word", namespace: "default" } };
    const main = {
      name: "main",
      image: benchImage,
      imagePullPolicy: "Never",
      command: ["sh", "-c", "cat /v/it; sleep 100"],
    };
    const volumes = [{ name: "v", secret: { secretName: "word" } }];
    const containers = [{ ...main, volumeMounts: [{ name: "v", mountPath: "/v" }] }];
    await harness.apply(
      { ...secret, stringData: { it: "from a secret" } },
      podObject("real", { spec: { nodeName: "edge", terminationGracePeriodSeconds: 0, volumes, containers } }),
    );
    await harness.untilPod("runs", "real", 30_000, isRunning);
    await eventually("its log", 10_000, async () => (await harness.kubectl("logs", "real")) === "from a secret");
    assert.equal(await harness.kubectl("exec", "real", "--", "echo", "hello"), "hello");
    await harness.kubectl("delete", "pod", "real");
    await stop();
    await podman.podman("rm", container);
    await runTool("umount", ["--recursive", state]);
  });

  for (const [name, audience, startCloud] of [
    ["aci", "api://AzureADTokenExchange", startFakeAzure],
    ["fargate", "sts.amazonaws.com", startFakeAws],
    ["eci", "sts.aliyuncs.com", startFakeAlibaba],
  ] as const)
    test(`in a cluster by the chart's example ${name}.yaml, with a token for ${audience}`, async () => {
      await using cloud = await startCloud(podman);
      isAsTold(await build(names[name], name), name);
      await walkCloud({ harness, podman, image: names[name] }, cloud, audience);
    });

  test("in a cluster by the chart's example nomad.yaml, with a token in a Secret", async () => {
    isAsTold(await build(names.nomad, "nomad"), "nomad");
    await walkNomad({ harness, podman, image: names.nomad });
  });

  test("in a cluster too, by the chart's example host-engine.yaml", async () => {
    await walkHostEngine({ harness, podman, image: names.containers });
  });
});

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  assert.ok(typeof value === "object" && value !== null);
  return Object.fromEntries(Object.entries(value));
}
