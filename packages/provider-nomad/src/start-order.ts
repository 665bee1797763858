// Init containers one after another: Nomad starts all of them together, so each that has to wait does so in a shell of its image, for
// a file in the directory that the tasks share, which the one before leaves behind when it has succeeded. Pure.
import { type PodSpec, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { placedContainers } from "@virtual-kubelet/virtual-kubelet/cloud";

export interface Turn {
  /** Place of the init container whose success is waited for. */
  readonly after?: number | undefined;
  /** It leaves word of its success for those behind it, by its own place. */
  readonly tells?: number | undefined;
}

/** Of those that wait or are waited for. Throws Unsupported, with the field, for one without a command to be wrapped. */
export function turnsOf(spec: PodSpec): ReadonlyMap<string, Turn> {
  const placed = placedContainers(spec).filter(({ kind }) => kind !== "main");
  const turns = new Map<string, Turn>();
  let last: number | undefined;
  for (const [index, { container, kind, field }] of placed.entries()) {
    const tells = kind === "init" && index < placed.length - 1 ? index : undefined;
    const after = last;
    if (kind === "init") last = index;
    if (kind === "sidecar" && container.startupProbe !== undefined)
      throw new VirtualKubeletError("Unsupported", "Nomad lets nothing wait for a sidecar to have started up", {
        field: `${field}.startupProbe`,
      });
    if (tells === undefined && after === undefined) continue;
    if ((container.command ?? []).length === 0)
      throw new VirtualKubeletError(
        "Unsupported",
        "Nomad starts init containers together: for one to wait for another, each needs a `command`, which a shell of its image runs then",
        { field: `${field}.command` },
      );
    turns.set(container.name, { after, tells });
  }
  return turns;
}

/** What the shell does, the program and its arguments being its own arguments. */
export function turnScript({ after, tells }: Turn): string {
  const file = (place: number): string => `"$NOMAD_ALLOC_DIR/data/.vk-init-${place}"`;
  const waits =
    after === undefined
      ? []
      : ["trap 'exit 143' TERM INT", `until [ -e ${file(after)} ]; do sleep 1 & wait $!; done`, "trap - TERM INT"];
  if (tells === undefined) return [...waits, 'exec "$@"'].join("\n");
  return [
    ...waits,
    // Before the program begins: TERM may come at any time.
    "vk_pid= vk_term=",
    "trap 'vk_term=1; [ -z \"$vk_pid\" ] || kill -TERM $vk_pid' TERM INT",
    '"$@" &',
    "vk_pid=$!",
    '[ -z "$vk_term" ] || kill -TERM $vk_pid',
    "while :; do wait $vk_pid; vk_code=$?; kill -0 $vk_pid 2>/dev/null || break; done",
    `[ $vk_code = 0 ] && : > ${file(tells)}`,
    "exit $vk_code",
  ].join("\n");
}
