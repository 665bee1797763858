// What engines say of themselves and their host, checked and brought to the nouns of the contract.
import * as v from "valibot";
import type { EngineInfo } from "./engine-client.ts";

const text = v.nullish(v.string(), "");

const version = v.object({
  Version: v.string(),
  ApiVersion: v.string(),
  Components: v.nullish(v.array(v.object({ Name: v.string() })), []),
});

const info = v.object({
  KernelVersion: text,
  OperatingSystem: text,
  Architecture: text,
  NCPU: v.number(),
  MemTotal: v.number(),
  CgroupVersion: text,
  CgroupDriver: text,
  DockerRootDir: text,
  /** A URL. */
  IndexServerAddress: text,
  Rootless: v.nullish(v.boolean(), false),
  SecurityOptions: v.nullish(v.array(v.string()), []),
});

export function engineInfo(versionAnswer: unknown, infoAnswer: unknown): EngineInfo {
  const about = v.parse(version, versionAnswer);
  const host = v.parse(info, infoAnswer);
  const { CgroupDriver: driver } = host;
  return {
    flavour: about.Components.some(({ Name }) => /podman/i.test(Name)) ? "podman" : "docker",
    version: about.Version,
    apiVersion: about.ApiVersion,
    kernelVersion: host.KernelVersion,
    operatingSystem: host.OperatingSystem,
    architecture: architectures[host.Architecture] ?? host.Architecture,
    cpus: host.NCPU,
    memory: host.MemTotal,
    cgroupVersion: host.CgroupVersion === "2" ? 2 : 1,
    cgroupDriver: driver === "systemd" || driver === "none" ? driver : "cgroupfs",
    rootDirectory: host.DockerRootDir,
    defaultRegistry: /^(?:https?:\/\/)?([^/]*)/.exec(host.IndexServerAddress)?.[1] ?? "",
    rootless: host.Rootless || host.SecurityOptions.includes("name=rootless"),
    securityOptions: host.SecurityOptions,
  };
}

/** Docker tells the machine's name, Podman Go's. */
const architectures: Readonly<Record<string, string>> = {
  x86_64: "amd64",
  aarch64: "arm64",
  armv7l: "arm",
  i686: "386",
};
