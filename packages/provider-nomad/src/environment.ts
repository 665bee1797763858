// The environment of a task: plain texts in the job, secrets by a template that reads a variable of Nomad. Pure.

import { type Container, type ResolvedContainer, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { PlainEnvVar } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { VariableItems } from "./files.ts";
import type { NomadTemplate } from "./wire-job.ts";

export interface TaskEnvironment {
  readonly env: Readonly<Record<string, string>>;
  readonly templates: readonly NomadTemplate[];
}

/** Nomad puts in node attributes, meta and variables for these, in all that stands in a job. */
const interpolated = /\$\{[a-zA-Z0-9_\-.]+\}/;

/** Throws Invalid for secrets that do not fit into a variable. `own`: texts of this provider, which Nomad is to interpolate. */
export function taskEnvironment(
  all: readonly (PlainEnvVar & { readonly own?: true })[],
  items: VariableItems,
  field: string,
): TaskEnvironment {
  const env: Record<string, string> = {};
  const lines: string[] = [];
  for (const { name, value, secret, own } of all) {
    // A template writes what Nomad must not read as its own.
    if (secret !== true && (own === true || !interpolated.test(value))) {
      env[name] = value;
      continue;
    }
    const key = `e${lines.length}`;
    if (!items.add(key, Buffer.from(value, "utf8")))
      throw new VirtualKubeletError("Invalid", "a variable of Nomad holds 64 KiB: the secret texts are too large", {
        field: `${field}.env`,
      });
    lines.push(`${name}={{ with nomadVar "${items.path}" }}{{ base64Decode .${key}.Value | toJSON }}{{ end }}`);
  }
  if (lines.length === 0) return { env, templates: [] };
  const template: NomadTemplate = {
    EmbeddedTmpl: `${lines.join("\n")}\n`,
    DestPath: "secrets/vk.env",
    Perms: "0400",
    Envvars: true,
    // A running process does not see new variables.
    ChangeMode: "noop",
  };
  return { env, templates: [template] };
}

/** A job can be read by many: throws Unsupported for a secret that `$(NAME)` would bring into its command. */
export function refuseSecretArguments(
  container: Container,
  { env }: Pick<ResolvedContainer, "env">,
  field: string,
): void {
  const secrets = new Set(env.filter(({ secret }) => secret === true).map(({ name }) => name));
  for (const list of ["command", "args"] as const)
    for (const [index, text] of (container[list] ?? []).entries())
      for (const [, name = ""] of text.replaceAll("$$", "").matchAll(/\$\(([^)]+)\)/g))
        if (secrets.has(name))
          throw new VirtualKubeletError(
            "Unsupported",
            `$(${name}) would put a secret into the job, which others can read: let a shell expand it`,
            { field: `${field}.${list}[${index}]` },
          );
}
