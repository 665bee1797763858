// Sidecars: the cloud has init containers that end, and containers that all start at once and are restarted by one policy. So a sidecar
// is one of the latter, and shells of the images keep the order by files in volumes that they share: who comes after a sidecar waits
// until it has started; where containers are not restarted for ever, sidecars are restarted by their shell and end with the others. Pure.
import type { Container, PodSpec } from "@virtual-kubelet/virtual-kubelet";
import { type PlacedContainer, placedContainers, shellWord, unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { Volume } from "./wire.ts";
import type { InitContainerDefinition, VolumeMount } from "./wire-containers.ts";

/** Sidecars write here that they have started. */
export const startedVolume = "virtual-kubelet-started";
/** The others write here that they have ended, where they end. */
const endedVolume = "virtual-kubelet-ended";
export const openerContainer = "virtual-kubelet-order";
const root = "/var/run/virtual-kubelet";
const paths = { [startedVolume]: `${root}/started`, [endedVolume]: `${root}/ended` } as const;

/** The field for which commands have to be known; undefined: the pod has no sidecar. */
export function sidecarField(spec: PodSpec): string | undefined {
  const first = placedContainers(spec).find(({ kind }) => kind === "sidecar");
  return first === undefined ? undefined : `${first.field}.restartPolicy`;
}

/** Throws Unsupported with the field. */
export function checkSidecars(spec: PodSpec): void {
  let sidecar: PlacedContainer | undefined;
  for (const placed of placedContainers(spec)) {
    const { container, kind, field } = placed;
    if (kind === "init" && sidecar !== undefined)
      throw unsupported(
        field,
        `the cloud runs init containers before all others: none can come after a sidecar (${sidecar.container.name})`,
      );
    if (kind !== "sidecar") continue;
    sidecar = placed;
    if (container.startupProbe !== undefined && container.startupProbe.exec === undefined)
      throw unsupported(
        `${field}.startupProbe`,
        "who comes after a sidecar waits for it by a command alone: a startup probe of type exec",
      );
    if (container.lifecycle?.postStart !== undefined)
      throw unsupported(`${field}.lifecycle.postStart`, "who comes after a sidecar cannot wait for its hook");
  }
}

export function sidecarVolumes(spec: PodSpec): readonly Volume[] {
  if (sidecarField(spec) === undefined) return [];
  return [startedVolume, ...(isEndless(spec) ? [] : [endedVolume])].map((name) => ({ name, emptyDir: {} }));
}

/** Opens the volumes to containers of any user, which the cloud may not. The sidecar's own image does it: it is there in any case. */
export function sidecarOpener(spec: PodSpec): readonly InitContainerDefinition[] {
  const first = placedContainers(spec).find(({ kind }) => kind === "sidecar");
  if (first === undefined) return [];
  const volumeMounts = sidecarVolumes(spec).map(({ name }) => ({ name, mountPath: `${root}/${name}` }));
  const command = ["/bin/sh", "-c", `chmod 0777 ${volumeMounts.map(({ mountPath }) => mountPath).join(" ")}`];
  const securityContext = { runAsUser: 0 };
  return [
    {
      name: openerContainer,
      properties: { image: first.container.image, command, volumeMounts, securityContext },
    },
  ];
}

export function sidecarMounts(spec: PodSpec, { kind }: Pick<PlacedContainer, "kind">): readonly VolumeMount[] {
  if (kind === "init" || sidecarField(spec) === undefined) return [];
  const mount = (name: keyof typeof paths, writes: boolean): VolumeMount => ({
    ...{ name, mountPath: paths[name] },
    ...(!writes && { readOnly: true }),
  });
  return [mount(startedVolume, kind === "sidecar"), ...(isEndless(spec) ? [] : [mount(endedVolume, kind === "main")])];
}

/** The command that keeps the order. Init containers, and pods without sidecars, are as they were. */
export function inOrder(command: readonly string[], spec: PodSpec, placed: PlacedContainer): readonly string[] {
  const { container, kind } = placed;
  if (kind === "init" || sidecarField(spec) === undefined) return command;
  const all = placedContainers(spec);
  const before = all.filter((each) => each.kind === "sidecar" && (kind === "main" || isBefore(all, each, container)));
  const mains = all.filter((each) => each.kind === "main").map((each) => each.container.name);
  const lines = [
    ...waitFor(before.map((each) => each.container.name)),
    ...(kind === "sidecar" ? hasStarted(container) : []),
    ...(isEndless(spec) ? ['exec "$@"'] : kind === "sidecar" ? keptUp(mains, spec) : untilEnd(container.name, spec)),
  ];
  return ["/bin/sh", "-c", lines.join("\n"), "sh", ...command];
}

function isEndless({ restartPolicy = "Always" }: PodSpec): boolean {
  return restartPolicy === "Always";
}

function isBefore(all: readonly PlacedContainer[], one: PlacedContainer, other: Container): boolean {
  return all.indexOf(one) < all.findIndex(({ container }) => container === other);
}

const started = (name: string): string => `${paths[startedVolume]}/${name}`;
const ended = (name: string): string => `${paths[endedVolume]}/${name}`;

function waitFor(names: readonly string[]): readonly string[] {
  if (names.length === 0) return [];
  const missing = names.map((name) => `! [ -e ${started(name)} ]`).join(" || ");
  // The first process of a container ends by TERM only where it says so.
  return ["trap 'exit 143' TERM", `while ${missing}; do sleep 1; done`, "trap - TERM"];
}

function hasStarted({ name, startupProbe }: Container): readonly string[] {
  const probe = startupProbe?.exec?.command ?? [];
  if (probe.length === 0) return [`: >${started(name)} || exit 1`];
  const { initialDelaySeconds = 0, periodSeconds = 10 } = startupProbe ?? {};
  const words = probe.map(shellWord).join(" ");
  return [
    `( sleep ${initialDelaySeconds}; until ${words} >/dev/null 2>&1; do sleep ${periodSeconds}; done; : >${started(name)} ) &`,
  ];
}

/** The process beside its shell, which passes TERM on and after the grace kills. `vk_code`: its exit code. */
function beside({ terminationGracePeriodSeconds: grace = 30 }: PodSpec): readonly string[] {
  return [
    `vk_stop() { vk_told=1; trap "" TERM; if [ -n "$vk_pid" ]; then kill -TERM "$vk_pid"; ( sleep ${grace}; kill -KILL "$vk_pid" ) & fi; }`,
    'vk_run() { "$@" & vk_pid=$!; wait "$vk_pid"; vk_code=$?; [ -z "$vk_told" ] || vk_rest; vk_pid=; }',
    // A wait that TERM cut short tells nothing of the process.
    'vk_rest() { wait "$vk_pid"; vk_late=$?; [ "$vk_late" -eq 127 ] || vk_code=$vk_late; }',
    "vk_pid= vk_told= vk_code=0",
    "trap vk_stop TERM",
  ];
}

function untilEnd(name: string, spec: PodSpec): readonly string[] {
  const again = spec.restartPolicy === "OnFailure" ? '[ "$vk_code" -ne 0 ] || ' : "";
  return [...beside(spec), 'vk_run "$@"', `${again}: >${ended(name)}`, 'exit "$vk_code"'];
}

function keptUp(mains: readonly string[], spec: PodSpec): readonly string[] {
  const missing = mains.map((name) => `! [ -e ${ended(name)} ]`).join(" || ");
  return [
    ...beside(spec),
    `( while ${missing}; do sleep 1; done; kill -TERM $$ ) &`,
    'while [ -z "$vk_told" ]; do vk_run "$@"; [ -n "$vk_told" ] || sleep 1; done',
    // The policy of the group must not begin it again.
    "exit 0",
  ];
}
