// What pods may ask for of the host and of one another, as their users see it: the host's network and its ports, a shared process
// namespace, who they run as. And what kubectl top tells of them. Needs root on Linux and podman.
import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import { after, before, describe, it } from "node:test";
import { freePort } from "../packages/virtual-kubelet/src/testing/free-port.ts";
import { type ContainersSemantics, startContainers } from "./containers.ts";
import { eventually } from "./harness.ts";
import { aggregationArgs, approveServingCertificate, MetricsServer } from "./metrics-server-peer.ts";

let semantics: ContainersSemantics;
let metricsServer: MetricsServer;

const parts = new AsyncDisposableStack();
before(async () => {
  const settings = { allowHostNamespaces: true };
  const args = ["--server-tls-bootstrap"];
  semantics = parts.use(await startContainers({ settings }, args, { apiServerArgs: aggregationArgs }));
  await approveServingCertificate(semantics.harness);
  metricsServer = parts.use(await MetricsServer.start(semantics.harness));
});
after(() => parts.disposeAsync());

const wait = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
const serve = (word: string, port: number): string =>
  `mkdir -p /tmp/www; echo ${word} >/tmp/www/index.html; exec httpd -f -p ${port} -h /tmp/www`;
const fetched = (url: string): Promise<string> =>
  eventually(`an answer of ${url}`, 20_000, async () => (await (await fetch(url)).text()).trim());
const inside = (pod: string, container: string, script: string): Promise<string> =>
  semantics.kubectl("exec", pod, "--container", container, "--", "/bin/sh", "-c", script);

describe("pods in containers may have", { timeout: 900_000 }, () => {
  it("the host's network, with the host's address", async () => {
    const port = await freePort();
    await semantics.run("host", {
      hostNetwork: true,
      containers: [semantics.container("host", "main", serve("host", port))],
    });
    const { status } = await semantics.until("runs", "host", (pod) => pod.status?.phase === "Running");
    assert.equal(status?.podIP, status?.hostIP);
    assert.equal(await fetched(`http://127.0.0.1:${port}/`), "host");
    assert.equal(await inside("host", "main", "readlink /proc/self/ns/net"), readlinkSync("/proc/self/ns/net"));
    await semantics.remove("host", 1);
  });

  it("ports of the host, which come and go with them", async () => {
    const port = await freePort();
    const ports = [{ containerPort: 80, hostPort: port, hostIP: "127.0.0.1" }];
    await semantics.run("ported", {
      containers: [semantics.container("ported", "main", serve("ported", 80), { ports })],
    });
    const { status } = await semantics.until("runs", "ported", (pod) => pod.status?.phase === "Running");
    assert.equal(await fetched(`http://127.0.0.1:${port}/`), "ported");
    assert.equal(await fetched(`http://${status?.podIP}:80/`), "ported");
    await semantics.remove("ported", 1);
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`));
  });

  it("one process namespace, in which one ends another's process; and none sees another's without", async () => {
    const pairs = (pod: string) =>
      ["a", "b"].map((name) => semantics.container(pod, name, `trap 'exit 0' TERM; at ${name}; ${wait}`));
    // Not that of grep, whose command line has the brackets, nor of a child that is not yet what it is to be.
    const ofB = "grep -l '[a]t b;' /proc/[0-9]*/cmdline | cut -d/ -f3 | sort -n | head -n 1";
    await semantics.run("shared", { shareProcessNamespace: true, containers: pairs("shared") });
    await semantics.run("apart", { containers: pairs("apart") });
    for (const pod of ["shared", "apart"]) {
      await semantics.untilLine(pod, "a:running+ready b:running+ready");
      for (const name of ["a", "b"]) await semantics.untilStamp(pod, name);
    }
    assert.equal(await inside("apart", "a", ofB), "");
    assert.equal(await inside("apart", "b", ofB), "1");
    await inside("shared", "a", `kill -TERM $(${ofB})`);
    await semantics.untilLine("shared", "b:running+ready#1<exited(0,Completed)");
    assert.equal(semantics.last("shared").status?.containerStatuses?.[0]?.restartCount, 0);
    for (const pod of ["shared", "apart"]) await semantics.remove(pod, 1);
  });

  it("users, groups, a read-only root, and fewer rights", async () => {
    const main = semantics.container("secured", "main", wait, {
      securityContext: {
        ...{ runAsUser: 1000, readOnlyRootFilesystem: true, allowPrivilegeEscalation: false },
        capabilities: { drop: ["ALL"] },
      },
      volumeMounts: [{ name: "made", mountPath: "/made" }],
    });
    await semantics.run("secured", {
      securityContext: { runAsGroup: 2000, fsGroup: 3000, supplementalGroups: [4000], runAsNonRoot: true },
      containers: [main],
      volumes: [{ name: "made", emptyDir: {} }],
    });
    await semantics.untilLine("secured", "main:running+ready");
    assert.equal(await inside("secured", "main", "id -u; id -g; id -G"), "1000\n2000\n2000 3000 4000");
    assert.equal(await inside("secured", "main", "echo x >/made/file && stat -c '%u %g' /made/file"), "1000 3000");
    assert.match(await inside("secured", "main", "touch /file 2>&1 || true"), /Read-only file system/);
    const status = await inside("secured", "main", "grep -E 'CapEff|CapBnd|NoNewPrivs|Seccomp:' /proc/1/status");
    const none = "0".repeat(16);
    assert.deepEqual(status.split(/\s+/), ["CapEff:", none, "CapBnd:", none, "NoNewPrivs:", "1", "Seccomp:", "2"]);
    await semantics.run("root", {
      securityContext: { runAsNonRoot: true },
      containers: [semantics.container("root", "main", wait)],
    });
    await semantics.untilLine("root", "main:waiting(CreateContainerConfigError)");
    await semantics.run("privileged", {
      containers: [semantics.container("privileged", "main", wait, { securityContext: { privileged: true } })],
    });
    await semantics.until("is refused", "privileged", (pod) => pod.status?.phase === "Failed");
    for (const name of ["secured", "root", "privileged"]) await semantics.remove(name, 1);
  });

  it("the cpu and memory that kubectl top shows", async () => {
    const busy = semantics.container("busy", "burns", "while :; do :; done", {
      resources: { requests: { cpu: "50m" }, limits: { cpu: "200m" } },
    });
    const holds = semantics.container(
      "busy",
      "holds",
      "head -c 40000000 /dev/zero | tr '\\0' x >/held/file; sleep 100000",
      {
        volumeMounts: [{ name: "held", mountPath: "/held" }],
      },
    );
    await semantics.run("busy", {
      containers: [busy, holds],
      volumes: [{ name: "held", emptyDir: { medium: "Memory" } }],
    });
    await semantics.untilLine("busy", "burns:running+ready holds:running+ready");
    let shown = "";
    const row = async (container: string): Promise<readonly string[]> => {
      const there = (await metricsServer.top("pod", "--containers")).size > 0;
      shown = there ? await semantics.kubectl("top", "pod", "--containers", "--no-headers") : "";
      const cells = shown.split("\n").map((line) => line.split(/\s+/));
      return cells.find(([, name]) => name === container)?.slice(2) ?? [];
    };
    const number = (text = ""): number => Number(/^\d+/.exec(text)?.[0] ?? Number.NaN);
    await eventually("its limit is what it uses, and what it wrote is what it holds", 120_000, async () => {
      const used = number((await row("burns"))[0]);
      const held = number((await row("holds"))[1]);
      assert.ok(used <= 230 && held < 100, shown);
      return used >= 100 && held >= 36;
    }).catch((error: unknown) => assert.fail(`${String(error)}\n${shown}`));
    await eventually("the node is shown", 60_000, async () =>
      (await metricsServer.top("node")).has(semantics.subject.node),
    );
    await semantics.remove("busy", 1);
  });
});
