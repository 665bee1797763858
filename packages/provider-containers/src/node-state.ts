// All that a node's runtime works with, and what every call on a pod begins with.
import {
  type CallContext,
  type Clock,
  type ContainerRef,
  errorText,
  type Logger,
  type RuntimeSandbox,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import { Turns, type UidEvents } from "@virtual-kubelet/virtual-kubelet/host";
import type { ContainersConfig } from "./config.ts";
import type { EngineClient, EngineInfo } from "./engine/engine-client.ts";
import type { Figures } from "./figures/figures.ts";
import type { ImageAccountFiles } from "./image-accounts.ts";
import type { Images } from "./images.ts";
import { InfraImage } from "./infra-image.ts";
import type { Found, Inventory } from "./inventory.ts";
import type { PodFiles } from "./pod-files.ts";
import type { PodRecord } from "./pod-record.ts";
import { infraOf, isReady, sandboxView } from "./pod-view.ts";

export interface NodeParts {
  readonly config: ContainersConfig;
  readonly node: string;
  readonly hostIPs: readonly string[];
  readonly client: EngineClient;
  readonly engine: EngineInfo;
  readonly files: PodFiles;
  readonly images: Images;
  readonly accounts: ImageAccountFiles;
  readonly figures: Figures;
  readonly inventory: Inventory;
  readonly changed: UidEvents;
  readonly clock: Clock;
  readonly log: Logger;
}

export interface PodState {
  readonly record: PodRecord | undefined;
  readonly found: readonly Found[];
  readonly infra: Found | undefined;
  readonly ready: boolean;
}

export class NodeState {
  readonly parts: NodeParts;
  readonly turns: Turns = new Turns();
  readonly infraImage: InfraImage;
  /** Made by this process, and not started by it. */
  readonly #unbegun = new Set<string>();

  constructor(parts: NodeParts) {
    this.parts = parts;
    this.infraImage = new InfraImage(parts.client, parts.engine, parts.config.infraImage);
  }

  made(id: string): void {
    this.#unbegun.add(id);
  }

  /** It is started, or removed. */
  forget(id: string): void {
    this.#unbegun.delete(id);
  }

  /** Whether it may have been started although it was not seen running. */
  mayHaveBegun(id: string): boolean {
    return !this.#unbegun.has(id);
  }

  /** As last seen; asked for where nothing tells of changes. */
  async pod(uid: string, context: CallContext): Promise<PodState> {
    return this.#state(uid, await this.parts.inventory.ofPod(uid, context));
  }

  /** As the engine has it now. */
  async freshPod(uid: string, context: CallContext): Promise<PodState> {
    return this.#state(uid, await this.parts.inventory.freshOfPod(uid, context));
  }

  #state(uid: string, found: readonly Found[]): PodState {
    const record = this.parts.files.record(uid);
    const infra = infraOf(found);
    return { record, found, infra, ready: isReady(record, infra) };
  }

  /** Throws NotFound. */
  async run(ref: ContainerRef, context: CallContext): Promise<Found> {
    const found = await this.findRun(ref, context);
    if (found === undefined)
      throw new VirtualKubeletError("NotFound", `there is no run ${ref.attempt} of container ${ref.name}`);
    return found;
  }

  async findRun(ref: ContainerRef, context: CallContext): Promise<Found | undefined> {
    return (await this.parts.inventory.ofPod(ref.podUid, context)).find((each) => isRun(each, ref));
  }

  async list(context: CallContext): Promise<readonly RuntimeSandbox[]> {
    const found = Map.groupBy(await this.parts.inventory.all(context), ({ owner }) => owner.uid);
    const uids = new Set([...found.keys(), ...this.parts.files.uids()]);
    const all = await Promise.all([...uids].map((uid) => this.#view(uid, found.get(uid) ?? [], context)));
    return all.flatMap((sandbox) => (sandbox === undefined ? [] : [sandbox]));
  }

  async get(uid: string, context: CallContext): Promise<RuntimeSandbox | undefined> {
    return this.#view(uid, await this.parts.inventory.ofPod(uid, context), context);
  }

  async #view(uid: string, found: readonly Found[], context: CallContext): Promise<RuntimeSandbox | undefined> {
    const { files, images, figures, hostIPs } = this.parts;
    const references = new Map<string, string>();
    for (const { run, details } of found) {
      if (run === undefined) continue;
      const reference = await images.reference(details.image, details.imageID, context).catch((error: unknown) => {
        context.signal.throwIfAborted();
        context.log.debug({ err: errorText(error) }, "an image could not be looked at");
        return details.imageID;
      });
      references.set(details.id, reference);
    }
    return sandboxView({
      ...{ record: files.record(uid), found, hostIPs },
      reference: ({ id, imageID }) => references.get(id) ?? imageID,
      endReason: (details) => figures.endReason(details),
    });
  }
}

export function isRun({ run }: Found, { name, attempt }: Pick<ContainerRef, "name" | "attempt">): boolean {
  return run?.name === name && run.attempt === attempt;
}
