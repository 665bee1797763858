// The images of the engine as pods need them: is one here, pull it, what is in it, may this pod have it; and what the node has.
import {
  type CallContext,
  type Clock,
  type ContainerImage,
  type ImageCredential,
  isErrorKind,
  type Logger,
  type PulledImage,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import type { DiskFigures } from "@virtual-kubelet/virtual-kubelet/host";
import type { ContainersConfig } from "./config.ts";
import type { EngineClient, ImageDetails } from "./engine/engine-client.ts";
import { type CollectedEngine, ImageCollector } from "./image-collector.ts";
import { imageReference } from "./image-names.ts";
import { ImagePulls } from "./image-pulls.ts";
import { ImageRecord } from "./image-record.ts";
import { tryEach } from "./pull-tries.ts";

/** What it asks of an engine. */
export type ImageEngine = CollectedEngine & Pick<EngineClient, "pullImage">;

export interface ImagesOptions {
  readonly client: ImageEngine;
  /** Of this node, there already: `<config.stateDirectory>/<node>`. */
  readonly stateDirectory: string;
  readonly config: ContainersConfig["images"];
  readonly clock: Clock;
  readonly log: Logger;
  /** Of the file system at a path; default the host's. */
  readonly disk?: ((path: string) => Pick<DiskFigures, "totalBytes" | "availableBytes">) | undefined;
}

/** What an image holds does not change, but which one a name means. */
const freshMs = 10_000;
const listFreshMs = 60_000;
const maxKept = 1000;

export class Images {
  readonly #options: ImagesOptions;
  readonly #record: ImageRecord;
  readonly #pulls: ImagePulls<PulledImage>;
  readonly #collector: ImageCollector;
  readonly #details = new Map<string, { readonly at: number; readonly details: ImageDetails }>();
  readonly #references = new Map<string, string>();
  #listed: { readonly at: number; readonly images: readonly ContainerImage[] } | undefined;

  private constructor(options: ImagesOptions) {
    const { clock, config, stateDirectory } = options;
    const record = ImageRecord.read(stateDirectory, () => clock.now());
    const pulls = new ImagePulls(config.parallelPulls, this.#pull.bind(this));
    this.#options = options;
    this.#record = record;
    this.#pulls = pulls;
    this.#collector = new ImageCollector({
      ...options,
      record,
      isPulling: (name) => pulls.has(name),
      removed: () => {
        this.#details.clear();
        this.#listed = undefined;
      },
    });
  }

  /** Reads what is written down of images that are ours. */
  static async open(options: ImagesOptions, { signal }: Pick<CallContext, "signal">): Promise<Images> {
    signal.throwIfAborted();
    return new Images(options);
  }

  /** Removes unused images of ours while the engine's disk is too full, until the signal aborts. */
  run(signal: AbortSignal): Promise<void> {
    return this.#collector.run(signal);
  }

  /** Removes all images of ours that nobody uses and that are not quite new; for when the disk is short. Answers how many bytes they had. */
  removeUnused({ signal }: Pick<CallContext, "signal">): Promise<number> {
    return this.#collector.free(Number.POSITIVE_INFINITY, signal);
  }

  /** As ContainerRuntime.pullImage. */
  pull(image: string, credentials: readonly ImageCredential[], { signal }: CallContext): Promise<PulledImage> {
    return this.#pulls.pull(image, credentials, signal);
  }

  async #pull(image: string, credentials: readonly ImageCredential[], signal: AbortSignal): Promise<PulledImage> {
    const { client, clock } = this.#options;
    const began = clock.now();
    const before = await client.inspectImage(image, { signal });
    await this.#record.begin(image, before?.id ?? "");
    let credential: ImageCredential | undefined;
    try {
      credential = await tryEach(credentials, (auth) => client.pullImage(image, auth, { signal }), signal);
    } catch (error) {
      // Of all others nobody knows what has come.
      if (isErrorKind(error, "NotFound", "Unauthorized", "Invalid")) await this.#record.end(image);
      throw error;
    }
    const pullMs = Math.max(0, clock.now() - began);
    this.#listed = undefined;
    const details = await this.#inspect(image, signal);
    if (details === undefined) throw new VirtualKubeletError("Unavailable", `image ${image} was removed at once`);
    await this.#record.pulled(image, details.id, credential);
    return { reference: imageReference(details, image), size: details.size, pullMs };
  }

  /** As ContainerRuntime.imageStatus: its id where it has no digest. */
  async status(image: string, { signal }: CallContext): Promise<string | undefined> {
    const details = await this.#inspect(image, signal);
    if (details === undefined) return undefined;
    this.#record.used([details.id]);
    return imageReference(details, image);
  }

  /** As ContainerRuntime.mayUseImage. */
  async mayUse(image: string, credentials: readonly ImageCredential[], { signal }: CallContext): Promise<boolean> {
    const details = await this.#kept(image, signal);
    return details === undefined || this.#record.mayUse(image, details, credentials);
  }

  /** Of an image that is here, as it was at most ten seconds ago; undefined when it is not. */
  details(image: string, { signal }: Pick<CallContext, "signal">): Promise<ImageDetails | undefined> {
    return this.#kept(image, signal);
  }

  /** For status.containerStatuses[].imageID: of the image with this id, asked for by this name. The id itself where it is gone. */
  async reference(image: string, id: string, { signal }: Pick<CallContext, "signal">): Promise<string> {
    const key = `${id} ${image}`;
    const known = this.#references.get(key);
    if (known !== undefined) return known;
    const details = await this.#options.client.inspectImage(id, { signal });
    const found = details === undefined ? id : imageReference(details, image);
    keep(this.#references, key, found);
    return found;
  }

  /** For NodeReport.images; looked up once a minute, and after each pull of ours. */
  async nodeImages({ signal }: Pick<CallContext, "signal">): Promise<readonly ContainerImage[]> {
    if (this.#listed !== undefined && this.#isYounger(this.#listed.at, listFreshMs)) return this.#listed.images;
    const now = this.#options.clock.now();
    const all = await this.#options.client.listImages({ signal });
    const images = all.map(({ digests, tags, size }) => ({ names: [...digests, ...tags], sizeBytes: size }));
    this.#listed = { at: now, images };
    return images;
  }

  async #kept(image: string, signal: AbortSignal): Promise<ImageDetails | undefined> {
    const kept = this.#details.get(image);
    if (kept !== undefined && this.#isYounger(kept.at, freshMs)) return kept.details;
    return this.#inspect(image, signal);
  }

  /** What is of the future is of before the clock was set back. */
  #isYounger(at: number, ms: number): boolean {
    const age = this.#options.clock.now() - at;
    return age >= 0 && age < ms;
  }

  async #inspect(image: string, signal: AbortSignal): Promise<ImageDetails | undefined> {
    const details = await this.#options.client.inspectImage(image, { signal });
    if (details === undefined) this.#details.delete(image);
    else keep(this.#details, image, { at: this.#options.clock.now(), details });
    return details;
  }
}

/** The oldest make place. */
function keep<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size > maxKept && oldest.done !== true) map.delete(oldest.value);
}
