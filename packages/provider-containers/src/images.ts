// The images of the engine as pods need them: is one here, pull it, what is in it, may this pod have it; and what the node has.
import {
  type CallContext,
  type Clock,
  type ContainerImage,
  errorText,
  type ImageCredential,
  type Logger,
  type PulledImage,
  VirtualKubeletError,
} from "@virtual-kubelet/virtual-kubelet";
import type { DiskFigures } from "@virtual-kubelet/virtual-kubelet/host";
import type { ContainersConfig } from "./config.ts";
import type { EngineClient, ImageDetails } from "./engine/engine-client.ts";
import { imageReference } from "./image-names.ts";
import { ImagePulls } from "./image-pulls.ts";
import { ImageRecord } from "./image-record.ts";

export interface ImagesOptions {
  readonly client: EngineClient;
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
  readonly #pulls: ImagePulls;
  readonly #details = new Map<string, { readonly at: number; readonly details: ImageDetails }>();
  readonly #references = new Map<string, string>();
  #listed: { readonly at: number; readonly images: readonly ContainerImage[] } | undefined;

  private constructor(options: ImagesOptions, record: ImageRecord) {
    const { client, clock, config } = options;
    this.#options = options;
    this.#record = record;
    this.#pulls = new ImagePulls({
      parallel: config.parallelPulls,
      now: () => clock.now(),
      pull: (image, auth, signal) => client.pullImage(image, auth, { signal }),
    });
  }

  /** Reads what is written down of images that are ours. */
  static async open(options: ImagesOptions, { signal }: Pick<CallContext, "signal">): Promise<Images> {
    const record = ImageRecord.read(options.stateDirectory, () => options.clock.now());
    const images = new Images(options, record);
    for (const name of record.unfinished) {
      const details = await options.client.inspectImage(name, { signal });
      if (details === undefined) await record.fail(name);
      else await record.pulled(name, details.id, "unknown");
    }
    return images;
  }

  /** As ContainerRuntime.pullImage. */
  async pull(image: string, credentials: readonly ImageCredential[], context: CallContext): Promise<PulledImage> {
    const { signal } = context;
    const before = await this.#options.client.inspectImage(image, { signal });
    await this.#record.begin(image, before?.id ?? "");
    try {
      const { credential, pullMs } = await this.#pulls.pull(image, credentials, signal);
      this.#forget(image);
      const details = await this.#inspect(image, signal);
      if (details === undefined) throw new VirtualKubeletError("Unavailable", `image ${image} was removed at once`);
      await this.#record.pulled(image, details.id, credential);
      return { reference: imageReference(details, image), size: details.size, pullMs };
    } catch (error) {
      await this.#record.fail(image).catch((fault: unknown) => {
        context.log.warn({ err: errorText(fault) }, "cannot write down which images are ours");
      });
      throw error;
    }
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
    return details === undefined || this.#record.mayUse(image, details.id, credentials);
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
    const now = this.#options.clock.now();
    if (this.#listed !== undefined && now < this.#listed.at + listFreshMs) return this.#listed.images;
    const all = await this.#options.client.listImages({ signal });
    const images = all.map(({ digests, tags, size }) => ({ names: [...digests, ...tags], sizeBytes: size }));
    this.#listed = { at: now, images };
    return images;
  }

  async #kept(image: string, signal: AbortSignal): Promise<ImageDetails | undefined> {
    const kept = this.#details.get(image);
    if (kept !== undefined && this.#options.clock.now() < kept.at + freshMs) return kept.details;
    return this.#inspect(image, signal);
  }

  async #inspect(image: string, signal: AbortSignal): Promise<ImageDetails | undefined> {
    const details = await this.#options.client.inspectImage(image, { signal });
    if (details === undefined) this.#details.delete(image);
    else keep(this.#details, image, { at: this.#options.clock.now(), details });
    return details;
  }

  #forget(image: string): void {
    this.#details.delete(image);
    this.#listed = undefined;
  }
}

/** The oldest make place. */
function keep<Value>(map: Map<string, Value>, key: string, value: Value): void {
  map.delete(key);
  map.set(key, value);
  const oldest = map.keys().next();
  if (map.size > maxKept && oldest.done !== true) map.delete(oldest.value);
}
