// From a container's spec to how it is run here: the plan of its scripts and what is written down of it. Throws for what cannot
// be honoured, with the field named.

import { join } from "node:path";
import type { ContainerSpec, Mount } from "../../engine/container-runtime.ts";
import { VirtualKubeletError } from "../../errors.ts";
import { hostsContent } from "../../host/hosts-file.ts";
import type { ProcessConfig } from "./config.ts";
import { checkUnmounted, targetIn, volumeMounts } from "./container-files.ts";
import { containerUser, type UserRules } from "./container-user.ts";
import type { ImageEntry } from "./image-map.ts";
import { type BoundMount, mountLines } from "./mount-script.ts";
import { passwdEntry } from "./passwd.ts";
import type { PodRecord } from "./pod-record.ts";
import type { RunDescription } from "./run-record.ts";
import type { EnterPlan, RunPlan } from "./run-scripts.ts";

export interface PlanContext {
  readonly config: ProcessConfig;
  readonly rules: UserRules;
  readonly pod: PodRecord;
  readonly image: ImageEntry;
  /** Directory of the run. */
  readonly directory: string;
  /** Of the whole node. */
  readonly stateDirectory: string;
  /** Where the paths in volumes are that it mounts. */
  readonly bound: ReadonlyMap<Mount, string>;
  readonly cgroups: readonly string[];
  /** First process of the container whose processes it shares. */
  readonly joinPid?: number | undefined;
  /** From QoS. */
  readonly oomScoreAdj?: number | undefined;
  readonly now: number;
}

export interface ContainerPlan {
  readonly plan: RunPlan;
  readonly description: RunDescription;
  /** Files beside the scripts. */
  readonly files: readonly { readonly name: string; readonly content: string; readonly mode: number }[];
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
const defaultMessagePath = "/dev/termination-log";

export function planContainer(spec: ContainerSpec, context: PlanContext): ContainerPlan {
  const { config, pod, image, directory } = context;
  const namespaces = config.isolation === "namespaces";
  const sandbox = pod.description.spec;
  const user = containerUser(spec, sandbox.fsGroup, context.rules, (uid) => passwdEntry(image.root, uid)?.gid);
  const command = commandOf(spec, image);
  if (!namespaces && image.root !== undefined)
    throw new VirtualKubeletError(
      "Unsupported",
      `image "${spec.image}" has a root directory of its own, and this node runs without namespaces`,
      {
        field: "image",
      },
    );
  const readOnlyRoot = spec.security.readOnlyRootFilesystem === true;
  if (readOnlyRoot && image.root === undefined)
    throw new VirtualKubeletError(
      "Unsupported",
      "securityContext.readOnlyRootFilesystem: the root of this image is the host's own",
      {
        field: "securityContext.readOnlyRootFilesystem",
      },
    );
  const ownPids = namespaces && !sandbox.hostPID && context.joinPid === undefined;
  const root = image.root === undefined ? undefined : `${directory}/root`;
  const workingDir = spec.workingDir ?? image.workingDir ?? "/";
  const files: { name: string; content: string; mode: number }[] = [];
  const mounts: BoundMount[] = [];
  const places = { volumes: pod.volumes, notes: pod.description.volumes };
  let terminationMessageFile: string | undefined;
  if (namespaces) {
    mounts.push(...volumeMounts(spec, places, image.root, context.bound));
    const own = (name: string, path: string, mode: number, readOnly: boolean, source = join(directory, name)): void => {
      const target = targetIn(image.root, path);
      if (!mounts.some((mount) => mount.target === target)) mounts.push({ source, target, isFile: true, readOnly });
      if (source.startsWith(directory) && !files.some((file) => file.name === name))
        files.push({ name, content: "", mode });
    };
    if (sandbox.resolvConf !== undefined) own("resolv.conf", "/etc/resolv.conf", 0o644, true, pod.resolvConf);
    const hosts = hostsContent(spec, sandbox.hostNetwork);
    if (hosts !== undefined) {
      files.push({ name: "hosts", content: hosts, mode: 0o644 });
      own("hosts", "/etc/hosts", 0o644, false);
    }
    own("termination-message", spec.terminationMessagePath, 0o666, false);
    terminationMessageFile = join(directory, "termination-message");
  } else {
    checkUnmounted(spec, places);
    if (spec.terminationMessagePath !== "" && spec.terminationMessagePath !== defaultMessagePath)
      throw new VirtualKubeletError("Unsupported", "terminationMessagePath: this node runs without mount namespaces", {
        field: "terminationMessagePath",
      });
  }
  const marker = ownPids ? undefined : `VKUBELET_RUN=${spec.podUid}/${spec.name}/${spec.attempt}`;
  const enter: EnterPlan = {
    env: environment(spec, image, {
      hostname: sandbox.hostname,
      home: passwdEntry(image.root, user.uid)?.home ?? "/",
      marker,
    }),
    ...{ user: user.user, noNewPrivileges: user.noNewPrivileges, capabilities: user.capabilities, root, workingDir },
  };
  const setup = namespaces
    ? mountLines({
        ...{ directory, image: image.root, root: root ?? "", readOnlyRoot, mounts },
        ownPids: ownPids || (context.joinPid !== undefined && !sandbox.hostPID),
        devices: user.privileged ? undefined : pod.devices,
        terminal: spec.tty,
        hostname: sandbox.hostNetwork ? undefined : sandbox.hostname,
        workingDir: image.root === undefined ? undefined : workingDir,
        hidden: image.root === undefined ? [context.stateDirectory] : [],
        sysctls: sandbox.sysctls,
      })
    : [];
  const plan: RunPlan = {
    ...{ directory, namespaces, marker, setup, command, enter },
    ...{
      tty: spec.tty,
      ownTerminals: namespaces && !user.privileged,
      stdin: spec.stdin,
      cgroups: context.cgroups,
      oomScoreAdj: context.oomScoreAdj,
    },
    network: pod.description.address === undefined ? undefined : pod.network,
    joinPid: sandbox.hostPID ? undefined : context.joinPid,
    unshare: namespaces ? unshareOptions(ownPids, sandbox) : [],
    owner: user.user === undefined ? undefined : `+${user.user.uid}:+${user.user.gid}`,
  };
  const description: RunDescription = {
    ...{
      spec,
      createdAt: context.now,
      cgroups: context.cgroups,
      marker,
      ownPids,
      namespaces,
      root,
      terminationMessageFile,
      user: user.user,
    },
  };
  return { plan, description, files };
}

function unshareOptions(
  ownPids: boolean,
  sandbox: { readonly hostNetwork: boolean; readonly hostIPC: boolean },
): readonly string[] {
  return [
    ...["--mount", "--propagation", "private"],
    ...(ownPids ? ["--pid"] : []),
    ...(sandbox.hostIPC ? [] : ["--ipc"]),
    // As a container in the host's network it has the host's name.
    ...(sandbox.hostNetwork ? [] : ["--uts"]),
  ];
}

function commandOf(spec: ContainerSpec, image: ImageEntry): readonly string[] {
  const entrypoint = spec.command ?? image.command ?? [];
  const args = spec.args ?? (spec.command === undefined ? (image.args ?? []) : []);
  const command = [...entrypoint, ...args];
  if (command.length > 0) return command;
  throw new VirtualKubeletError(
    "Invalid",
    `no command: neither the container nor the entry of image "${spec.image}" has one`,
    {
      field: "command",
      reason: "CreateContainerError",
    },
  );
}

function environment(
  spec: ContainerSpec,
  image: ImageEntry,
  own: { readonly hostname: string; readonly home: string; readonly marker: string | undefined },
): EnterPlan["env"] {
  const values = new Map<string, string>([
    ["PATH", defaultPath],
    ["HOSTNAME", own.hostname],
    ["HOME", own.home],
    ...(spec.tty ? [["TERM", "xterm"] as const] : []),
    ...Object.entries(image.env ?? {}),
    ...spec.env.map(({ name, value }) => [name, value] as const),
  ]);
  if (own.marker !== undefined) values.set("VKUBELET_RUN", own.marker.slice("VKUBELET_RUN=".length));
  for (const [name, value] of values)
    if (name === "" || name.includes("=") || name.includes("\0") || value.includes("\0"))
      throw new VirtualKubeletError(
        "Invalid",
        `env: "${name.slice(0, 100)}" cannot be the name of a variable, or have its value`,
        { field: "env" },
      );
  return [...values].map(([name, value]) => ({ name, value }));
}
