// What the containers provider needs of its engine and host, looked at before it is started: for `virtual-kubelet doctor`.
// Nothing is made.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type CallContext, errorText, isErrorKind, type ProviderCheck } from "@virtual-kubelet/virtual-kubelet";
import { roomCheck, stateDirectoryCheck } from "@virtual-kubelet/virtual-kubelet/host";
import type { ContainersConfig } from "./config.ts";
import { connectEngine } from "./engine/connect.ts";
import { defaultEndpoint, parseEndpoint } from "./engine/endpoint.ts";
import type { EngineAddress, EngineInfo } from "./engine/engine-client.ts";

/** Throws Invalid for an endpoint that is none. */
export async function containersChecks(
  node: string,
  config: ContainersConfig,
  context: CallContext,
): Promise<readonly ProviderCheck[]> {
  const address = parseEndpoint(config.endpoint === "" ? defaultEndpoint() : config.endpoint, config);
  let engine: EngineInfo;
  const client = connectEngine(address, { log: context.log });
  try {
    engine = await client.info(context);
  } catch (error) {
    return [engineFault(error, address)];
  } finally {
    client[Symbol.dispose]();
  }
  const { flavour, version, apiVersion, rootDirectory } = engine;
  const here = existsSync(rootDirectory);
  return [
    { name: "engine", status: "ok", message: `${flavour} ${version}, API ${apiVersion}, at ${placeOf(address)}` },
    limitsCheck(engine),
    stateDirectoryCheck(join(config.stateDirectory, node)),
    here
      ? roomCheck(rootDirectory, config)
      : {
          name: "room",
          status: "skip",
          message: `the engine keeps its images on another machine, in ${rootDirectory}`,
        },
  ];
}

function placeOf(address: EngineAddress): string {
  if (address.type === "unix") return address.path;
  return `${address.type}://${address.host}:${address.port}`;
}

/** Pure. */
export function engineFault(error: unknown, address: EngineAddress): ProviderCheck {
  const message = errorText(error);
  const name = "engine";
  if (isErrorKind(error, "Unauthorized", "Forbidden"))
    return { name, status: "fail", message, fix: "renew the client certificate (tls in the provider's configuration)" };
  if (address.type !== "unix")
    return {
      name,
      status: "fail",
      message,
      fix: "see whether the engine listens there, and endpoint and tls are right",
    };
  if (/EACCES|EPERM/.test(message))
    return { name, status: "fail", message, fix: `run as root, or as a user that may use ${address.path}` };
  const fix = "start one: systemctl enable --now podman.socket (or docker.socket); or say where it is by endpoint";
  return { name, status: "fail", message, fix };
}

/** Pure. */
export function limitsCheck({
  rootless,
  cgroupVersion,
  cgroupDriver,
}: Pick<EngineInfo, "rootless" | "cgroupVersion" | "cgroupDriver">): ProviderCheck {
  const name = "limits of pods";
  if (cgroupDriver === "none")
    return {
      ...{ name, status: "warn", message: "the engine makes no control groups: nothing limits cpu and memory of pods" },
      fix: 'set cgroup_manager = "cgroupfs" for the engine: docs/containers.md',
    };
  if (rootless && cgroupVersion === 1)
    return {
      ...{
        name,
        status: "warn",
        message: "a rootless engine cannot limit cpu and memory with control groups of version 1",
      },
      fix: "run the engine as root, or the host with control groups of version 2",
    };
  return { name, status: "ok", message: `control groups of version ${cgroupVersion}, made by ${cgroupDriver}` };
}
