// Commands of containers that the cloud has to be told and the pod leaves to the image: its registry says them.
import { createHash } from "node:crypto";
import {
  type CallContext,
  type Clock,
  type Container,
  credentialsFor,
  errorText,
  isSidecar,
  type PodRequest,
  type PodSpec,
  type ResolvedContainer,
  type ResolvedPod,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { unsupported } from "@virtual-kubelet/virtual-kubelet/cloud";
import { fileOfMount } from "../mounts.ts";
import { sidecarField } from "../sidecars.ts";
import type { ImageProcess } from "./image-answer.ts";
import { type ImageSource, type ImageSourceConfig, imageSource } from "./image-source.ts";
import type { RegistryClient } from "./registry-client.ts";

/** The first field that a shell of the image sees to, before the container's command. Pure. */
export function shellField(container: Container, spec: PodSpec, path: string): string | undefined {
  const late = (container.env ?? []).findIndex(({ valueFrom }) =>
    ["status.podIP", "status.podIPs"].includes(valueFrom?.fieldRef?.fieldPath ?? ""),
  );
  if (late >= 0) return `${path}.env[${late}]`;
  if (container.workingDir !== undefined && container.workingDir !== "") return `${path}.workingDir`;
  if ((spec.hostAliases ?? []).length > 0) return "spec.hostAliases";
  const isPlainInit = path.startsWith("spec.initContainers") && !isSidecar(container);
  return isPlainInit ? undefined : sidecarField(spec);
}

/** The first field for which the command of the image has to be known; undefined: for none. Pure. */
export function needsImage(container: Container, spec: PodSpec, path: string): string | undefined {
  if ((container.command ?? []).length > 0) return undefined;
  return (container.args ?? []).length > 0 ? `${path}.args` : shellField(container, spec, path);
}

export interface ImageProcessesOptions {
  readonly registry: RegistryClient;
  /** A token of this program's own identity, for registries that the cloud is an identity at. */
  readonly identityToken: (signal: AbortSignal) => Promise<string>;
  readonly config: ImageSourceConfig;
  readonly clock: Clock;
  /** "linux" or "windows". */
  readonly operatingSystem: string;
}

/** So long an answer counts for all pods with the same image and credentials: those of one Deployment, mostly. */
const freshMs = 60_000;
const mostFresh = 1000;

export class ImageProcesses implements AsyncDisposable {
  readonly #options: ImageProcessesOptions;
  readonly #fresh = new Map<string, { readonly process: ImageProcess; readonly until: number }>();

  constructor(options: ImageProcessesOptions) {
    this.#options = options;
  }

  /** What the pod refers to, with the commands of those containers that need them. Throws as the registry does, with the field. */
  async filled({ pod, resolved }: PodRequest, context: CallContext): Promise<ResolvedPod | undefined> {
    const { spec } = pod;
    if (spec === undefined || resolved === undefined) return resolved;
    const commands = new Map<string, Pick<ResolvedContainer, "command" | "args">>();
    for (const list of ["initContainers", "containers"] as const)
      for (const [index, container] of (spec[list] ?? []).entries()) {
        const path = `spec.${list}[${index}]`;
        const given = resolved.containers.find(({ name }) => name === container.name);
        const field = needsImage(container, spec, path) ?? singleFile(given, container, resolved, path);
        if (given === undefined || field === undefined) continue;
        const source = imageSource(given.image, this.#options.config);
        // Where it can do without, it does; else it is refused by what needs it.
        if (typeof source === "string") continue;
        const process = await this.#process(given.image, source, `${path}.image`, resolved, context);
        commands.set(container.name, withProcess(given, process, field));
      }
    if (commands.size === 0) return resolved;
    const containers = resolved.containers.map((each) => ({ ...each, ...commands.get(each.name) }));
    return { ...resolved, containers };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#options.registry[Symbol.asyncDispose]();
  }

  async #process(
    image: string,
    source: ImageSource,
    field: string,
    { imageCredentials }: ResolvedPod,
    { signal }: CallContext,
  ): Promise<ImageProcess> {
    const { registry, clock, operatingSystem, identityToken } = this.#options;
    const given = credentialsFor(image, imageCredentials, [new URL(source.url).host]);
    const key = createHash("sha256")
      .update(JSON.stringify([source, given]))
      .digest("hex");
    const known = this.#fresh.get(key);
    if (known !== undefined && clock.now() < known.until) return known.process;
    try {
      const asIdentity = given.length === 0 && source.asIdentity;
      const credentials = asIdentity ? [await registry.asIdentity(source, await identityToken(signal), signal)] : given;
      const process = await registry.process(source, credentials, operatingSystem, signal);
      this.#fresh.delete(key);
      if (this.#fresh.size >= mostFresh) this.#fresh.delete(this.#fresh.keys().next().value ?? "");
      this.#fresh.set(key, { process, until: clock.now() + freshMs });
      return process;
    } catch (thrown) {
      const error = VirtualKubeletError.from(thrown);
      if (error.kind === "Aborted") throw error;
      const message = `what image "${image}" runs cannot be learnt from its registry: ${errorText(error)}`;
      throw new VirtualKubeletError(error.kind, message, { cause: error, field, reason: error.reason });
    }
  }
}

/** Known with the volumes alone, unlike the rest. */
function singleFile(
  given: ResolvedContainer | undefined,
  { command = [] }: Container,
  { volumes }: ResolvedPod,
  path: string,
): string | undefined {
  if (command.length > 0) return undefined;
  const index = (given?.mounts ?? []).findIndex((mount) => fileOfMount(mount, volumes) !== undefined);
  return index < 0 ? undefined : `${path}.volumeMounts[${index}].subPath`;
}

/** As a kubelet joins the two: arguments of the pod replace those of the image. */
function withProcess(
  { args = [] }: ResolvedContainer,
  { entrypoint, cmd }: ImageProcess,
  field: string,
): Pick<ResolvedContainer, "command" | "args"> {
  const [first, ...rest] = [...entrypoint, ...(args.length > 0 ? args : cmd)];
  if (first === undefined) throw unsupported(field, "needs a `command`: the image names none");
  return { command: [first], args: rest };
}
