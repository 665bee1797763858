// Variables and arguments of a container that hold the pod's addresses, which a cloud gives only when it runs: a shell of the image
// finds them out, sets them, and becomes the container's process. Pure.
import { VirtualKubeletError } from "../errors.ts";
import type { Container } from "../kube/types.gen.ts";
import type { LatePart, LateText, ResolvedContainer, ResolvedEnvVar } from "../resolved-pod.ts";
import { shellWord } from "./shell-quoting.ts";

export interface LateEnvOptions {
  /** The container in the pod, for errors: `spec.containers[0]`. */
  readonly field: string;
  /** As in the spec: tells the place of a variable. */
  readonly spec: Pick<Container, "env">;
  /** Shell words that come to the pod's addresses, separated by blanks. Default `$(hostname -i)`. */
  readonly podIPs?: string | undefined;
  /** Those of what hosts the pod, where they are known beforehand. Absent: who asks for them is refused. */
  readonly hostIPs?: readonly string[] | undefined;
}

export interface PlainEnvVar {
  readonly name: string;
  readonly value: string;
  readonly secret?: true | undefined;
}

/** Nothing in it is late any more. */
export interface PlainProcess {
  readonly command?: readonly string[] | undefined;
  readonly args?: readonly string[] | undefined;
  readonly env: readonly PlainEnvVar[];
}

/** Variables of the shell's own: texts that came from Secrets, which are not to stand in a command. */
const secretPrefix = "VK_LATE_";

/**
 * The same process where nothing is late. Throws Unsupported, with the field, for a container without a command (the image's own
 * is not known) and for what no shell can find out.
 */
export function withoutLateTexts(container: ResolvedContainer, options: LateEnvOptions): PlainProcess {
  const { command, args, env } = container;
  const known = new Map(env.map((variable) => [variable.name, settled(variable.value, options)]));
  const plain = env.flatMap(({ name, secret }): readonly PlainEnvVar[] => {
    const value = known.get(name);
    return typeof value === "string" ? [{ name, value, ...(secret === undefined ? {} : { secret }) }] : [];
  });
  const late = env.filter(({ name }) => typeof known.get(name) !== "string");
  const words = { command: texts(command, "command", options), args: texts(args, "args", options) };
  const firstLate = late[0];
  const lateList = isLate(words.command) ? "command" : isLate(words.args) ? "args" : undefined;
  if (firstLate === undefined && lateList === undefined)
    return { command: strings(words.command), args: strings(words.args), env: plain };

  const field = firstLate === undefined ? `${options.field}.${lateList}` : fieldOf(firstLate, options);
  if (words.command === undefined)
    throw new VirtualKubeletError(
      "Unsupported",
      "the pod's address is known only in the container: it needs a `command`, which a shell of its image runs then",
      { field },
    );
  const secrets: PlainEnvVar[] = [];
  const assignments = env.flatMap((variable) => {
    const { name, value, secret } = variable;
    // Some shells drop variables whose names they could not set.
    if (typeof known.get(name) === "string" && isShellName(name)) return [];
    const hidden = (text: string): string => {
      const own = `${secretPrefix}${secrets.length}`;
      secrets.push({ name: own, value: text, secret: true });
      return `"$${own}"`;
    };
    const word = lateWord(value, secret === true ? hidden : shellWord, options, fieldOf(variable, options));
    return [{ name, word }];
  });
  const named = assignments.filter(({ name }) => isShellName(name));
  const odd = assignments.filter(({ name }) => !isShellName(name));
  const own = [...words.command, ...(words.args ?? [])].map((text) => lateWord(text, shellWord, options, field));
  const program =
    odd.length === 0 ? own : ["env", ...odd.map(({ name, word }) => `${shellWord(`${name}=`)}${word}`), ...own];
  const script = [
    `vk_ips=${options.podIPs ?? "$(hostname -i)"}`,
    'if [ -z "$vk_ips" ]; then echo "the address of the pod is not known" >&2; exit 1; fi',
    "vk_first= vk_all=",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a shell's.
    "for vk_ip in $vk_ips; do vk_first=${vk_first:-$vk_ip} vk_all=${vk_all:+$vk_all,}$vk_ip; done",
    ...named.map(({ name, word }) => `export ${name}=${word}`),
    `set -- ${program.join(" ")}`,
    ...(secrets.length === 0 ? [] : [`unset ${secrets.map(({ name }) => name).join(" ")}`]),
    'exec "$@"',
  ].join("\n");
  const oddNames = new Set(odd.map(({ name }) => name));
  const rest = plain.filter(({ name }) => !oddNames.has(name));
  return { command: ["/bin/sh", "-c", script], env: [...rest, ...secrets] };
}

function isShellName(name: string): boolean {
  return /^[A-Za-z_]\w*$/.test(name);
}

/** With what is known beforehand put in; text where that is all. */
function settled(text: LateText, { hostIPs }: LateEnvOptions): LateText {
  if (typeof text === "string" || hostIPs === undefined) return text;
  const parts = text.map((part): LatePart => {
    if (typeof part === "string" || !("fieldPath" in part)) return part;
    if (part.fieldPath === "status.hostIP") return hostIPs[0] ?? "";
    return part.fieldPath === "status.hostIPs" ? hostIPs.join(",") : part;
  });
  return parts.every((part) => typeof part === "string") ? parts.join("") : parts;
}

function lateWord(text: LateText, literal: (text: string) => string, options: LateEnvOptions, field: string): string {
  const parts = settled(text, options);
  if (typeof parts === "string") return literal(parts);
  const words = parts.map((part) => {
    if (typeof part === "string") return part === "" ? "" : literal(part);
    if ("fieldPath" in part) {
      if (part.fieldPath === "status.podIP") return '"$vk_first"';
      if (part.fieldPath === "status.podIPs") return '"$vk_all"';
      throw new VirtualKubeletError("Unsupported", `${part.fieldPath} is not known here`, { field });
    }
    throw new VirtualKubeletError("Unsupported", "what containers write into files is not known here", { field });
  });
  return words.join("") === "" ? "''" : words.join("");
}

function texts(
  list: readonly LateText[] | undefined,
  part: "command" | "args",
  options: LateEnvOptions,
): readonly LateText[] | undefined {
  return part === "command" && list?.length === 0 ? undefined : list?.map((text) => settled(text, options));
}

function isLate(list: readonly LateText[] | undefined): boolean {
  return list?.some((text) => typeof text !== "string") ?? false;
}

function strings(list: readonly LateText[] | undefined): readonly string[] | undefined {
  return list?.flatMap((text) => (typeof text === "string" ? [text] : []));
}

function fieldOf({ name }: Pick<ResolvedEnvVar, "name">, { field, spec }: LateEnvOptions): string {
  const index = (spec.env ?? []).findLastIndex((each) => each.name === name);
  return index < 0 ? `${field}.env` : `${field}.env[${index}]`;
}
