// The development cluster in the place of a real control plane, so that one suite of tests holds for both.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type DevCluster, startDevCluster } from "../packages/dev-cluster/src/index.ts";
import { VirtualKubeletError } from "../packages/virtual-kubelet/src/errors.ts";
import { findKubectl } from "../packages/virtual-kubelet/src/testing/binaries.ts";
import {
  type ControlPlane,
  type ControlPlaneOptions,
  startControlPlane,
} from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { withAllOutput } from "../packages/virtual-kubelet/src/testing/lost-output.ts";
import { optionsOfFlags } from "./dev-flags.ts";

/** True where the tests shall run on the development cluster: VIRTUAL_KUBELET_CONTROL_PLANE=dev-cluster. */
export const usesDevCluster: boolean = process.env["VIRTUAL_KUBELET_CONTROL_PLANE"] === "dev-cluster";

/** The one that this run is about. */
export function startChosenControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  return usesDevCluster ? startDevControlPlane(options) : startControlPlane(options);
}

/** Flags of the API server that it has no options for are refused. Of the controller manager's, `--node-monitor-grace-period` counts. */
export async function startDevControlPlane(options: ControlPlaneOptions = {}): Promise<ControlPlane> {
  const directory = options.directory ?? (await mkdtemp(join(tmpdir(), "virtual-kubelet-dev-control-plane-")));
  await mkdir(directory, { recursive: true });
  const flags = optionsOfFlags(options.apiServerArgs ?? [], directory);
  const start = (port: number): Promise<DevCluster> =>
    startDevCluster({
      directory,
      port,
      controllers: options.controllers,
      nodeMonitorGraceMs: graceOf(options.controllerManagerArgs ?? []),
      log: options.onProgress,
      ...flags,
    });
  let running: DevCluster | undefined = await start(0);
  const { server, kubeconfig, version, ca } = running;
  const caFile = join(directory, "ca.crt");
  await writeFile(caFile, ca);
  const cluster = (): DevCluster => {
    if (running === undefined) throw new VirtualKubeletError("Unavailable", "the API server is down");
    return running;
  };
  const plane: ControlPlane = {
    version,
    kubeconfig,
    server,
    caFile,
    directory,
    kubeconfigFor: (user, groups) => cluster().kubeconfigFor(user, groups),
    serviceAccountKubeconfig: (namespace, name) => cluster().serviceAccountKubeconfig(namespace, name),
    async killApiServer() {
      await running?.stop();
      running = undefined;
    },
    async startApiServer() {
      running = await start(Number(new URL(server).port));
    },
    async kubectl(...args) {
      const program = await findKubectl({ version });
      const env = { ...process.env, KUBECACHEDIR: join(directory, "kubectl-cache") };
      const run = (): Promise<{ stdout: string; stderr: string; code: number }> =>
        new Promise((settle, reject) => {
          execFile(
            program,
            ["--kubeconfig", kubeconfig, ...args],
            { maxBuffer: 2 ** 26, env },
            (error, stdout, stderr) => {
              if (error === null) settle({ stdout, stderr, code: 0 });
              else if (typeof error.code === "number") settle({ stdout, stderr, code: error.code });
              else reject(new VirtualKubeletError("Internal", `kubectl did not end: ${stderr}`, { cause: error }));
            },
          );
        });
      return withAllOutput(run);
    },
    async stop() {
      await running?.stop();
      running = undefined;
      await rm(directory, { recursive: true, force: true });
    },
    [Symbol.asyncDispose]: () => plane.stop(),
  };
  try {
    await ready(plane, options.controllers ?? true);
  } catch (error) {
    await plane.stop();
    throw error;
  }
  return plane;
}

/** As the real one: namespace `default` has its ServiceAccount. */
async function ready(plane: ControlPlane, hasControllers: boolean): Promise<void> {
  if (!hasControllers) await plane.kubectl("create", "serviceaccount", "default");
  const deadline = Date.now() + 100_000;
  while ((await plane.kubectl("get", "serviceaccount", "default")).code !== 0) {
    if (Date.now() > deadline) throw new VirtualKubeletError("Unavailable", "no ServiceAccount default/default");
  }
}

function graceOf(args: readonly string[]): number | undefined {
  const found = args
    .map((each) => /^--node-monitor-grace-period=(\d+)s$/.exec(each)?.[1])
    .find((each) => each !== undefined);
  return found === undefined ? undefined : Number(found) * 1000;
}
