// What a task finds when it starts: its files, its environment, its process, with Nomad's variables put in. Pure.
import { posix } from "node:path";
import type { RunnerContainer, RunnerGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import { bindsOf, processOf } from "./driver-config.ts";
import type { FakeGroup, FakeJob, FakeTask } from "./job-schema.ts";
import { envLines, type ReadVariable, renderTemplate } from "./render-template.ts";

export interface TaskPlace {
  readonly allocation: string;
  readonly job: FakeJob;
  readonly group: FakeGroup;
  /** Address of the client. */
  readonly address: string;
  readonly ports: readonly { readonly Label: string; readonly Value: number; readonly To: number }[];
  readonly read: ReadVariable;
  /** Directory of a volume as the task sees it, where it runs on the host; undefined: it is in a container. */
  readonly directory?: ((volume: string) => string) | undefined;
}

export interface TaskFile {
  /** Below the allocation's directory: `web/local/x`, `alloc/data/x`. */
  readonly path: string;
  readonly mode: number;
  readonly data: Buffer;
}

/** `missing`: the variable that a template waits for. Throws for a template that is none. */
export type TaskFiles =
  | { readonly files: readonly TaskFile[]; readonly env: Readonly<Record<string, string>> }
  | { readonly missing: string };

export function taskFiles(task: FakeTask, place: TaskPlace): TaskFiles {
  const files: TaskFile[] = [];
  let env = {};
  for (const { EmbeddedTmpl, DestPath, Perms = "0644", Envvars } of task.Templates ?? []) {
    const rendered = renderTemplate(EmbeddedTmpl, place.read);
    if ("missing" in rendered) return rendered;
    if (Envvars === true) env = { ...env, ...envLines(rendered.data.toString("utf8")) };
    // In a job the directory of the allocation is this variable.
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Nomad puts it in.
    const path = DestPath.replace("${NOMAD_ALLOC_DIR}", "../alloc");
    files.push({ path: posix.join(task.Name, path), mode: Number.parseInt(Perms, 8), data: rendered.data });
  }
  return { files, env };
}

export function taskContainer(
  task: FakeTask,
  place: TaskPlace,
  fromTemplates: Readonly<Record<string, string>>,
): RunnerContainer {
  const own = environment(task, place);
  const text = (value: string): string =>
    value.replaceAll(/\$\{([A-Za-z0-9_.-]+)\}/g, (whole, name: string) =>
      name === "attr.unique.network.ip-address" ? place.address : ({ ...own, ...fromTemplates }[name] ?? whole),
    );
  const given = Object.entries(task.Env ?? {}).map(([name, value]) => [name, text(value)] as const);
  const isImage = place.directory === undefined;
  const limit = task.Resources.MemoryMaxMB ?? task.Resources.MemoryMB;
  return {
    ...{ name: task.Name, ...processOf(task, text) },
    env: { ...own, ...Object.fromEntries(given), ...fromTemplates },
    ...(task.User === undefined ? {} : { user: task.User }),
    ...(task.KillSignal === undefined ? {} : { stopSignal: task.KillSignal }),
    ...(isImage ? { memoryLimit: limit * 2 ** 20 } : {}),
    mounts: isImage
      ? [
          { volume: "alloc", path: "/alloc", readOnly: false },
          { volume: `${task.Name}/local`, path: "/local", readOnly: false },
          { volume: `${task.Name}/secrets`, path: "/secrets", readOnly: false },
          ...bindsOf(task).map(({ source, path, readOnly }) => ({
            ...{ volume: posix.join(task.Name, source), path, readOnly },
          })),
        ]
      : [],
  };
}

/** Every directory that is mounted or bound, with the files in it. */
export function allocationVolumes(
  containers: readonly RunnerContainer[],
  tasks: readonly FakeTask[],
  files: readonly TaskFile[],
): RunnerGroup["volumes"] {
  const own = tasks.flatMap(({ Name }) => [`${Name}/local`, `${Name}/secrets`]);
  const bound = containers.flatMap(({ mounts }) => mounts.map(({ volume }) => volume));
  // A file that is bound by itself is in its directory already.
  const names = [...new Set(["alloc", ...own, ...bound])].filter((name) => files.every(({ path }) => path !== name));
  const keep = { path: "data/.keep", mode: 0o644, data: Buffer.from("") };
  return names.map((name) => ({
    name,
    files: [
      ...(name === "alloc" ? [keep] : []),
      ...files.flatMap(({ path, mode, data }) =>
        path.startsWith(`${name}/`) ? [{ path: path.slice(name.length + 1), mode, data }] : [],
      ),
    ],
  }));
}

function environment(
  task: FakeTask,
  { allocation, job, group, ports, address, directory }: TaskPlace,
): Record<string, string> {
  const of = (volume: string, path: string): string => directory?.(volume) ?? path;
  return {
    NOMAD_ALLOC_DIR: of("alloc", "/alloc"),
    NOMAD_TASK_DIR: of(`${task.Name}/local`, "/local"),
    NOMAD_SECRETS_DIR: of(`${task.Name}/secrets`, "/secrets"),
    ...{ NOMAD_ALLOC_ID: allocation, NOMAD_JOB_ID: job.ID, NOMAD_JOB_NAME: job.Name, NOMAD_GROUP_NAME: group.Name },
    ...{ NOMAD_TASK_NAME: task.Name, NOMAD_NAMESPACE: job.Namespace ?? "default" },
    ...{ NOMAD_CPU_LIMIT: `${task.Resources.CPU}`, NOMAD_MEMORY_LIMIT: `${task.Resources.MemoryMB}` },
    ...Object.fromEntries(
      ports.flatMap(({ Label, Value, To }) => [
        [`NOMAD_PORT_${Label}`, `${To > 0 && directory === undefined ? To : Value}`],
        [`NOMAD_HOST_PORT_${Label}`, `${Value}`],
        [`NOMAD_ADDR_${Label}`, `${address}:${Value}`],
      ]),
    ),
  };
}
