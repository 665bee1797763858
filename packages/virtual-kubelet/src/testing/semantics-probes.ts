// Probes of each kind fail and recover: what the API server sees of the pod, what a Service sees of it, and what is told of it.
import assert from "node:assert/strict";
import { chmodSync, copyFileSync, existsSync, mkdirSync, rmSync } from "node:fs";
import { extname, join } from "node:path";
import { before, describe, it } from "node:test";
import { endpointSlices, services } from "../kube/resource.ts";
import type { Probe } from "../kube/types.gen.ts";
import { eventually } from "./eventually.ts";
import { freePort } from "./free-port.ts";
import { patience, type SemanticsBench } from "./semantics-bench.ts";

/** `current`: that of all scenarios, once it is there. */
export function probesSemantics(current: () => SemanticsBench): void {
  let bench: SemanticsBench;

  /** Names of pods that get a Service's traffic, at their address. */
  async function endpoints(service: string): Promise<readonly string[]> {
    const { items } = await bench.client.list(endpointSlices, {
      namespace: "default",
      labelSelector: `kubernetes.io/service-name=${service}`,
    });
    return items
      .flatMap((slice) => slice.endpoints ?? [])
      .filter(({ conditions, addresses }) => conditions?.ready !== false && addresses.includes(addressOf(service)))
      .map(({ targetRef }) => targetRef?.name ?? "");
  }
  const addressOf = (pod: string): string => bench.last(pod).status?.podIP ?? "";
  const untilServed = (pod: string, served: boolean): Promise<unknown> =>
    eventually(
      `${pod} is ${served ? "" : "not "}served`,
      patience,
      async () => (await endpoints(pod)).includes(pod) === served,
    );

  interface Kind {
    readonly name: string;
    /** Of a file of the server's directory. */
    readonly handler: (file: string, server: Server) => Probe;
    /** What is told when it fails: a regular expression. */
    readonly words: (file: string, server: Server) => string;
  }

  interface Server {
    readonly pod: string;
    readonly directory: string;
    readonly http: number;
    readonly grpc: number;
    readonly tcp: Readonly<Record<string, number>>;
  }

  const kinds: readonly Kind[] = [
    {
      name: "exec",
      handler: (file, { directory }) => ({ exec: { command: ["/bin/cat", join(directory, file)] } }),
      // As GNU's cat says it, and busybox's.
      words: (file, { directory }) => {
        const path = literally(join(directory, file));
        return `(/bin/cat: ${path}|cat: can't open '${path}'): No such file or directory`;
      },
    },
    {
      name: "http",
      handler: (file, { http }) => ({ httpGet: { path: `/${file}`, port: http } }),
      words: () => "HTTP probe failed with statuscode: 500",
    },
    {
      name: "tcp",
      handler: (file, { tcp }) => ({ tcpSocket: { port: tcp[file] ?? 0 } }),
      words: (file, { pod, tcp }) => `dial tcp ${literally(addressOf(pod))}:${tcp[file]}: connect: connection refused`,
    },
    {
      name: "grpc",
      handler: (file, { grpc }) => ({ grpc: { port: grpc, service: file } }),
      words: () => 'service unhealthy \\(responded with "NOT_SERVING"\\)',
    },
  ];

  async function serverOf(pod: string): Promise<Server> {
    const directory = join(bench.scratch, pod);
    mkdirSync(directory);
    chmodSync(directory, 0o777);
    const tcp = { startup: await freePort(), ready: await freePort(), alive: await freePort() };
    return { pod, directory, http: await freePort(), grpc: await freePort(), tcp };
  }

  const literally = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, "\\$&");

  describe("probes", { concurrency: true, timeout: 1_100_000 }, () => {
    before(() => {
      bench = current();
    });

    for (const kind of kinds)
      it(`${kind.name}: startup holds the others back, readiness decides on traffic, liveness restarts`, async () => {
        const pod = `probed-${kind.name}`;
        const server = await serverOf(pod);
        const { directory, http, grpc, tcp } = server;
        const has = (file: string): void => bench.touch(join(pod, file));
        const lacks = (file: string): void => rmSync(join(directory, file));
        const probe = (file: string, failureThreshold: number): Probe => ({
          ...{ ...kind.handler(file, server), periodSeconds: 1, timeoutSeconds: 10, failureThreshold },
        });
        await bench.client.create(services, {
          metadata: { name: pod, namespace: "default" },
          spec: { selector: { app: pod }, ports: [{ port: 80, protocol: "TCP" }] },
        });
        const extension = extname(import.meta.filename);
        const script = join(directory, `server${extension.replace(".", ".m")}`);
        copyFileSync(join(import.meta.dirname, `probed-server${extension}`), script);
        chmodSync(script, 0o644);
        const { image, path } = bench.subject.node24;
        const ports = [http, grpc, tcp["startup"], tcp["ready"], tcp["alive"]].map(String);
        await bench.run(
          pod,
          {
            restartPolicy: "Always",
            containers: [
              {
                ...bench.container(pod, "main", ""),
                image,
                command: [path, script, directory, bench.subject.address ?? "0.0.0.0", ...ports],
                startupProbe: probe("startup", 300),
                readinessProbe: probe("ready", 2),
                livenessProbe: probe("alive", 3),
              },
            ],
          },
          { app: pod },
        );
        await bench.untilLine(pod, "main:running");
        // It heeds TERM once it has said that it is alive.
        const serves = (): Promise<unknown> =>
          eventually("the server is up", patience, () => existsSync(join(directory, "alive")));
        await serves();
        const told = (what: string, file: string): Promise<void> =>
          bench.untilEvent(
            pod,
            new RegExp(`^Warning Unhealthy main: ${what} probe failed: ${kind.words(file, server)}`),
          );
        await told("Startup", "startup");
        // Ready by its file, but nobody asks yet.
        has("ready");
        assert.ok(!bench.lines(pod).some((line) => line.includes("+started") || line.includes("+ready")));
        lacks("ready");
        has("startup");
        let seen = await bench.untilLine(pod, "main:running+started");
        await told("Readiness", "ready");
        await untilServed(pod, false);
        has("ready");
        seen = await bench.untilLine(pod, "main:running+ready", seen);
        await untilServed(pod, true);
        lacks("ready");
        seen = await bench.untilLine(pod, "main:running+started", seen);
        await untilServed(pod, false);
        has("ready");
        seen = await bench.untilLine(pod, "main:running+ready", seen);
        await untilServed(pod, true);
        lacks("alive");
        seen = await bench.untilLine(pod, "main:running+ready#1", seen);
        await untilServed(pod, true);
        await told("Liveness", "alive");
        await serves();
        await bench.untilEvent(pod, /^Normal Killing main: Container main failed liveness probe, will be restarted$/);
        await bench.remove(pod);
        bench.assertHistory(
          pod,
          `
        ? Pending init | main:waiting(ContainerCreating)
        ? Pending sandbox init | main:waiting(ContainerCreating)
          Running sandbox init | main:running
          Running sandbox init | main:running+started
          Running sandbox init ready | main:running+ready
          Running sandbox init | main:running+started
          Running sandbox init ready | main:running+ready
        ? Running sandbox init | main:exited(7,Error)
        ? Running sandbox init | main:running#1<exited(7,Error)
        ? Running sandbox init | main:running+started#1<exited(7,Error)
          Running sandbox init ready | main:running+ready#1<exited(7,Error)
        ? Running sandbox init | main:exited(7,Error)#1<exited(7,Error)
          Failed init | main:exited(7,Error)#1<exited(7,Error)
          gone`,
        );
        await bench.assertNothingRuns(pod);
      });

    it("a container that is not up in its time is restarted, and its probe begins anew", async () => {
      const pod = "late";
      const script = `trap 'exit 0' TERM; [ $run = 1 ] || echo up >${bench.scratch}/up; while :; do sleep 0.1; done`;
      await bench.run(pod, {
        containers: [
          bench.container(pod, "main", script, {
            startupProbe: {
              exec: { command: ["/bin/cat", `${bench.scratch}/up`] },
              ...{ periodSeconds: 1, timeoutSeconds: 10, failureThreshold: 3 },
            },
          }),
        ],
      });
      await bench.untilLine(pod, "main:running+ready#1");
      await bench.untilEvent(pod, /^Warning Unhealthy main: Startup probe failed: /);
      await bench.untilEvent(pod, /^Normal Killing main: Container main failed startup probe, will be restarted$/);
      await bench.remove(pod);
      bench.assertHistory(
        pod,
        `
      ? Pending init | main:waiting(ContainerCreating)
      ? Pending sandbox init | main:waiting(ContainerCreating)
        Running sandbox init | main:running
      ? Running sandbox init | main:exited(0,Completed)
      ? Running sandbox init | main:running#1<exited(0,Completed)
        Running sandbox init ready | main:running+ready#1<exited(0,Completed)
      ? Running sandbox init | main:exited(0,Completed)#1<exited(0,Completed)
        Succeeded init | main:exited(0,Completed)#1<exited(0,Completed)
        gone`,
      );
      await bench.assertNothingRuns(pod);
    });

    it("a probe's own grace goes before the pod's", async () => {
      const pod = "impatient";
      const script = `trap '' TERM; echo up >${bench.scratch}/${pod}.up; at up; while :; do sleep 0.1; done`;
      await bench.run(pod, {
        terminationGracePeriodSeconds: 600,
        containers: [
          bench.container(pod, "main", script, {
            livenessProbe: {
              exec: { command: ["/bin/cat", `${bench.scratch}/${pod}.up`] },
              ...{ initialDelaySeconds: 2, periodSeconds: 1, timeoutSeconds: 10, failureThreshold: 3 },
              terminationGracePeriodSeconds: 3,
            },
          }),
        ],
      });
      await bench.untilLine(pod, "main:running+ready");
      await bench.untilStamp(pod, "up");
      rmSync(`${bench.scratch}/${pod}.up`);
      await bench.untilLine(pod, "main:running+ready#1");
      await bench.remove(pod, 1);
      bench.assertHistory(
        pod,
        `
      ? Pending init | main:waiting(ContainerCreating)
      ? Pending sandbox init | main:waiting(ContainerCreating)
        Running sandbox init ready | main:running+ready
      ? Running sandbox init | main:exited(137,Error)
        Running sandbox init ready | main:running+ready#1<exited(137,Error)
      ? Running sandbox init | main:exited(137,Error)#1<exited(137,Error)
        Failed init | main:exited(137,Error)#1<exited(137,Error)
        gone`,
      );
      await bench.assertNothingRuns(pod);
    });
  });
}
