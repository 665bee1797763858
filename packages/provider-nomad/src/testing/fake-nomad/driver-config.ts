// What a driver's configuration of a task may hold, and what runs by it. Pure.
import type { RunnerContainer } from "@virtual-kubelet/virtual-kubelet/testing";
import type { FakeTask } from "./job-schema.ts";

const dockerKeys =
  "image args auth cap_add cap_drop command cpu_hard_limit devices dns_options dns_search_domains dns_servers entrypoint extra_hosts force_pull group_add hostname image_pull_timeout init interactive ipc_mode labels logging memory_hard_limit mount mounts network_mode pid_mode pids_limit ports privileged readonly_rootfs runtime security_opt shm_size sysctl tty ulimit userns_mode volumes work_dir";
const keysOf: Readonly<Record<string, ReadonlySet<string>>> = {
  docker: new Set(dockerKeys.split(" ")),
  podman: new Set(`${dockerKeys} working_dir`.split(" ").filter((key) => key !== "work_dir" && key !== "group_add")),
  raw_exec: new Set(["command", "args", "work_dir", "oom_score_adj", "denied_envvars"]),
  exec: new Set(["command", "args", "work_dir", "cap_add", "cap_drop", "pid_mode", "ipc_mode"]),
  java: new Set(["jar_path", "jvm_options", "args", "class", "class_path", "work_dir", "cap_add", "cap_drop"]),
};

/** Undefined: nothing is wrong with it. */
export function configFault({ Driver, Config }: Pick<FakeTask, "Driver" | "Config">): string | undefined {
  const known = keysOf[Driver];
  const [unknown] = Object.keys(Config).filter((key) => known?.has(key) !== true);
  if (unknown !== undefined) return `failed to parse config: no argument or block type is named "${unknown}"`;
  const required = { docker: "image", podman: "image", java: "jar_path" }[Driver] ?? "command";
  return typeof Config[required] === "string" ? undefined : `failed to parse config: missing "${required}"`;
}

export interface Bind {
  /** Relative to the task's directory, or absolute. */
  readonly source: string;
  readonly path: string;
  readonly readOnly: boolean;
}

export function bindsOf({ Config }: Pick<FakeTask, "Config">): readonly Bind[] {
  return texts(Config["volumes"]).map((bind) => {
    const [source = "", path = "", options = ""] = bind.split(":");
    return { source, path, readOnly: options.split(",").includes("ro") };
  });
}

/** `text` puts in variables. */
export function processOf(
  { Driver, Config }: Pick<FakeTask, "Driver" | "Config">,
  text: (value: string) => string,
): Pick<RunnerContainer, "image" | "entrypoint" | "args" | "workingDir" | "tty"> {
  const directory = Config["work_dir"] ?? Config["working_dir"];
  const workingDir = typeof directory === "string" ? { workingDir: text(directory) } : {};
  const args = Config["args"] === undefined ? {} : { args: texts(Config["args"]).map(text) };
  if (Driver !== "docker" && Driver !== "podman")
    return {
      image: "",
      entrypoint: [text(String(Config["command"] ?? Config["jar_path"] ?? ""))],
      ...args,
      ...workingDir,
    };
  return {
    image: text(String(Config["image"] ?? "")),
    ...(Config["entrypoint"] === undefined ? {} : { entrypoint: texts(Config["entrypoint"]).map(text) }),
    ...{ ...args, ...workingDir, tty: Config["tty"] === true },
  };
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each) => typeof each === "string") : [];
}
