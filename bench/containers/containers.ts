// Thirty pods of one container to Running, beside the engine alone starting the same pairs of containers with as many calls side by
// side. Writes bench/results/containers.md. Usage: npm run bench:containers; needs root on Linux and podman.
import { request } from "node:http";
import { parseArgs } from "node:util";
import { pods } from "@virtual-kubelet/virtual-kubelet";
import { type ContainersSemantics, startContainers } from "../../e2e/containers.ts";
import { eventually } from "../../e2e/harness.ts";
import { machine, median, report } from "../figures.ts";
import { ProcessMeter } from "../process-meter.ts";

const { values } = parseArgs({ options: { rounds: { type: "string", default: "3" }, output: { type: "string" } } });
const count = 30;
const parallel = 8;
const command = ["/bin/sh", "-c", "exec sleep 100000"];

const common = { RestartPolicy: { Name: "no" } };
await using semantics = await startContainers({ settings: { parallelCalls: parallel } });
const [image] = semantics.subject.images;
const alone: number[] = [];
const ours: number[] = [];
const cpu: number[] = [];
// The first pod has the infra image made, the first pair has everything read once.
await oursRound(1);
await aloneRound(1);
for (let round = 0; round < Number(values.rounds); round++) {
  alone.push((await aloneRound(count)) / 1000);
  const { ms, cpuSeconds } = await oursRound(count);
  ours.push(ms / 1000);
  cpu.push((1000 * cpuSeconds) / count);
}

report(
  "containers",
  `# Pods of containers

\`npm run bench:containers\`, ${machine(semantics.harness.cluster.version)}, Podman ${await podmanVersion(semantics)} with runc. ${count} pods of one container with an image that is there, ${parallel} calls of
the engine side by side; medians of ${values.rounds} rounds, in turn. The engine alone makes and starts the same pairs, an infra container and one in its network, and is done when the last start has answered; ours
are done when the API server shows the last pod Running.

| | |
|---|---|
| the engine alone | ${median(alone).toFixed(1)} s (${alone.map((each) => each.toFixed(1)).join(", ")}) |
| ${count} pods to Running | ${median(ours).toFixed(1)} s (${ours.map((each) => each.toFixed(1)).join(", ")}) |
| ratio | ${(median(ours) / median(alone)).toFixed(2)} |
| CPU of virtual-kubelet for a pod | ${median(cpu).toFixed(0)} ms |
`,
  values.output,
);

async function oursRound(many: number): Promise<{ readonly ms: number; readonly cpuSeconds: number }> {
  const names = Array.from({ length: many }, (_, index) => `pod-${index}-of-${many}`);
  const meter = new ProcessMeter(semantics.program.pid);
  meter.start();
  const began = performance.now();
  const before = new Map(names.map((name) => [name, semantics.history(name).length]));
  await Promise.all(
    names.map((name) =>
      semantics.harness.client.create(pods, {
        metadata: { name, namespace: "default" },
        spec: {
          tolerations: [{ operator: "Exists" }],
          nodeName: semantics.subject.node,
          automountServiceAccountToken: false,
          containers: [{ name: "main", image, command: [...command] }],
        },
      }),
    ),
  );
  await eventually("all pods run", 300_000, () =>
    names.every((name) => semantics.history(name).slice(before.get(name)).at(-1)?.status?.phase === "Running"),
  );
  const ms = performance.now() - began;
  const { cpuSeconds } = meter.stop();
  await Promise.all(names.map((name) => semantics.remove(name, 1)));
  return { ms, cpuSeconds };
}

async function aloneRound(many: number): Promise<number> {
  const infras: string[] = [];
  const mains: string[] = [];
  let waiting = many;
  const began = performance.now();
  const worker = async (): Promise<void> => {
    while (waiting > 0) {
      const name = `alone-${waiting--}`;
      const infra = await create(`${name}-infra`, {
        Image: "localhost/virtual-kubelet-infra:1",
        HostConfig: {
          ...common,
          CgroupParent: `/${semantics.subject.podman.cgroupParent}`,
          IpcMode: "shareable",
          ReadonlyRootfs: true,
        },
      });
      infras.push(infra);
      await call("POST", `/containers/${infra}/start`);
      const [NetworkMode, IpcMode] = [`container:${infra}`, `container:${infra}`];
      const main = await create(name, { Image: image, Cmd: command, HostConfig: { ...common, NetworkMode, IpcMode } });
      mains.push(main);
      await call("POST", `/containers/${main}/start`);
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  const ms = performance.now() - began;
  for (const ids of [mains, infras]) await semantics.subject.podman.podman("rm", "--force", "--time", "0", ...ids);
  return ms;
}

async function create(name: string, body: object): Promise<string> {
  const answer = await call("POST", `/containers/create?name=${name}`, body);
  return /"Id":"([0-9a-f]+)"/.exec(answer)?.[1] ?? "";
}

async function podmanVersion({ subject }: ContainersSemantics): Promise<string> {
  return subject.podman.podman("version", "--format", "{{.Version}}");
}

function call(method: string, path: string, body?: object): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const options = {
    ...{ socketPath: semantics.subject.podman.socket, agent: false, method, path: `/v1.41${path}` },
    headers: { "content-type": "application/json" },
  };
  request(options, (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    response.once("end", () => {
      if ((response.statusCode ?? 500) < 400) resolve(text);
      else reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`));
    });
  })
    .once("error", reject)
    .end(body === undefined ? undefined : JSON.stringify(body));
  return promise;
}
