// Reads what a container's texts take from env files in the pod's volumes, before the container is made.
import { isErrorKind, VirtualKubeletError } from "../errors.ts";
import type { CallContext } from "../provider.ts";
import type { FileKey, LateText, ResolvedContainer } from "../resolved-pod.ts";
import type { ContainerRuntime } from "./container-runtime.ts";
import { envFileValue } from "./env-file.ts";
import { fileKeysOf, type LateValues } from "./late-text.ts";

/** Throws Invalid, in the kubelet's words, where something is missing that is not optional, or a file is malformed. */
export async function readFileKeys(
  runtime: ContainerRuntime,
  podUid: string,
  container: ResolvedContainer | undefined,
  context: CallContext,
): Promise<LateValues["fileKey"]> {
  const keys = fileKeysOf(textsOf(container));
  const values = new Map<string, string | undefined>();
  const files = new Map<string, string | undefined>();
  for (const fileKey of keys) {
    if (values.has(idOf(fileKey))) continue;
    const { volume, path } = fileKey;
    const file = JSON.stringify([volume, path]);
    if (!files.has(file)) files.set(file, await readText(runtime, podUid, fileKey, context));
    values.set(idOf(fileKey), valueIn(files.get(file), fileKey, context));
  }
  return (fileKey) => values.get(idOf(fileKey));
}

function textsOf(container: ResolvedContainer | undefined): readonly LateText[] {
  const { env = [], command = [], args = [], mounts = [] } = container ?? {};
  return [...env.map(({ value }) => value), ...command, ...args, ...mounts.map(({ subPath }) => subPath ?? "")];
}

async function readText(
  runtime: ContainerRuntime,
  podUid: string,
  { volume, path }: FileKey,
  context: CallContext,
): Promise<string | undefined> {
  if (runtime.readVolumeFile === undefined)
    throw new VirtualKubeletError("Unsupported", "files in volumes cannot be read here");
  try {
    return Buffer.from(await runtime.readVolumeFile(podUid, volume, path, context)).toString("utf8");
  } catch (error) {
    if (isErrorKind(error, "NotFound")) return undefined;
    throw error;
  }
}

function valueIn(
  text: string | undefined,
  { volume, path, key, optional }: FileKey,
  { log }: CallContext,
): string | undefined {
  if (text === undefined) {
    if (optional) return undefined;
    log.warn({ volume, path }, "there is no such env file");
    throw new VirtualKubeletError("Invalid", "couldn't parse env file");
  }
  const outcome = envFileValue(text, key);
  switch (outcome.type) {
    case "found":
      return outcome.value;
    case "malformed":
      log.warn({ volume, path, line: outcome.line, err: outcome.why }, "an env file is malformed");
      throw new VirtualKubeletError("Invalid", "couldn't parse env file");
    case "absent":
      if (optional) return undefined;
      throw new VirtualKubeletError("Invalid", `environment variable key "${key}" not found in file "${path}"`);
  }
}

function idOf({ volume, path, key }: FileKey): string {
  return JSON.stringify([volume, path, key]);
}
