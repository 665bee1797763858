// What a kubelet does to a container before its process and the cloud does not: a working directory, single files of volumes, names in
// /etc/hosts. A shell of the image does it, and becomes the process. Pure.
import { shellWord, unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";

export interface StartSteps {
  readonly workingDir?: { readonly path: string; readonly field: string } | undefined;
  /** Files of volumes that were to be mounted by themselves. */
  readonly copies: readonly { readonly from: string; readonly to: string; readonly field: string }[];
  /** Lines for /etc/hosts. */
  readonly hosts?: { readonly text: string; readonly field: string } | undefined;
}

/** The command that takes these steps first. Throws Unsupported with the field where there is none: the image's own is not known. */
export function withSteps(command: readonly string[] | undefined, steps: StartSteps): readonly string[] | undefined {
  const { workingDir, copies, hosts } = steps;
  const field = workingDir?.field ?? copies[0]?.field ?? hosts?.field;
  if (field === undefined) return command;
  if (command === undefined)
    throw unsupported(
      field,
      "the cloud has no such setting; the container needs a `command`, which a shell of its image runs then",
    );
  const lines = [
    "set -e",
    ...(hosts === undefined ? [] : [`printf %s ${shellWord(hosts.text)} >>/etc/hosts`]),
    ...copies.flatMap(({ from, to }) => [
      `mkdir -p ${shellWord(to.replace(/\/[^/]*$/, "") || "/")}`,
      `cp -p ${shellWord(from)} ${shellWord(to)}`,
    ]),
    ...(workingDir === undefined ? [] : [`mkdir -p ${shellWord(workingDir.path)}`, `cd ${shellWord(workingDir.path)}`]),
    'exec "$@"',
  ];
  return ["/bin/sh", "-c", lines.join("\n"), "sh", ...command];
}
