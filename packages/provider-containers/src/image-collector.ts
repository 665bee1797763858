// Removes unused images of ours when the engine's disk fills up, and when it is asked for space.
import { type Clock, errorText, isErrorKind, type Logger, pause } from "@virtual-kubelet/virtual-kubelet";
import { type DiskFigures, diskFigures } from "@virtual-kubelet/virtual-kubelet/host";
import type { ContainersConfig } from "./config.ts";
import type { EngineClient, ImageSummary } from "./engine/engine-client.ts";
import { bytesToFree, candidates } from "./image-collection.ts";
import type { ImageRecord } from "./image-record.ts";

/** What it asks of an engine. */
export type CollectedEngine = Pick<
  EngineClient,
  "address" | "info" | "inspectContainer" | "inspectImage" | "listContainers" | "listImages" | "removeImage"
>;

export interface ImageCollectorOptions {
  readonly client: CollectedEngine;
  readonly record: ImageRecord;
  readonly config: ContainersConfig["images"];
  readonly clock: Clock;
  readonly log: Logger;
  /** Is a pull of this name under way? */
  readonly isPulling: (name: string) => boolean;
  /** Something was removed. */
  readonly removed: () => void;
  /** Of the file system at a path; default the host's. */
  readonly disk?: ((path: string) => Pick<DiskFigures, "totalBytes" | "availableBytes">) | undefined;
}

/** A kubelet's. */
const periodMs = 300_000;

export class ImageCollector {
  readonly #options: ImageCollectorOptions;
  #last: Promise<unknown> = Promise.resolve();
  #unmeasured = false;

  constructor(options: ImageCollectorOptions) {
    this.#options = options;
  }

  /** Looks every five minutes, until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    for (; !signal.aborted; await pause(clock, periodMs, signal)) {
      try {
        const wanted = await this.#wanted(signal);
        const freed = await this.free(wanted, signal);
        if (freed < wanted)
          log.warn(
            { reason: "FreeDiskSpaceFailed", wantedBytes: wanted, freedBytes: freed },
            "the engine's disk is fuller than it is to be, and there are no more images to remove",
          );
      } catch (error) {
        if (!signal.aborted) log.warn({ reason: "ImageGCFailed", err: errorText(error) }, "cannot look after images");
      }
    }
  }

  /** Removes images until so many bytes are free, or none is left that may go; one such look at a time. Answers how many bytes they had. */
  free(bytes: number, signal: AbortSignal): Promise<number> {
    const work = this.#last.then(() => this.#free(bytes, signal));
    this.#last = work.catch(() => undefined);
    return work;
  }

  /** 0 for an engine whose disk is not of this host. */
  async #wanted(signal: AbortSignal): Promise<number> {
    const { client, config, disk = diskFigures, log } = this.#options;
    if (client.address.type !== "unix") return 0;
    const { rootDirectory } = await client.info({ signal });
    try {
      const figures = disk(rootDirectory);
      this.#unmeasured = false;
      return bytesToFree(figures, config);
    } catch (error) {
      if (!this.#unmeasured)
        log.warn({ path: rootDirectory, err: errorText(error) }, "cannot see the engine's disk: images stay");
      this.#unmeasured = true;
      return 0;
    }
  }

  async #free(bytes: number, signal: AbortSignal): Promise<number> {
    const { client, clock, config, log, record, removed } = this.#options;
    await this.#settle(signal);
    const all = await client.listImages({ signal });
    const there = new Set(all.map(({ id }) => id));
    await this.#noted(record.forget([...record.images.keys()].filter((id) => !there.has(id))));
    const inUse = await this.#inUse(all, signal);
    record.used(inUse);
    await this.#noted(record.save());
    if (bytes <= 0) return 0;
    const rules = { now: clock.now(), minimumAgeMs: config.minimumAgeSeconds * 1000 };
    let freed = 0;
    for (const { id, names, size, stays } of candidates(all, record.images, inUse, rules)) {
      if (freed >= bytes) break;
      try {
        for (const name of names) await client.removeImage(name, { signal });
      } catch (error) {
        signal.throwIfAborted();
        // Somebody began to use it.
        if (isErrorKind(error, "Conflict")) continue;
        log.warn({ image: names[0] ?? id, reason: "ImageGCFailed", err: errorText(error) }, "cannot remove image");
        continue;
      }
      await this.#noted(record.forget([id]));
      removed();
      if (stays) continue;
      freed += size;
      log.info({ image: names[0] ?? id, id, size }, "removed unused image");
    }
    return freed;
  }

  /** Pulls of which nobody saw the end. */
  async #settle(signal: AbortSignal): Promise<void> {
    const { client, isPulling, record } = this.#options;
    for (const name of record.unfinished) {
      if (isPulling(name)) continue;
      const details = await client.inspectImage(name, { signal });
      // It may have begun again while we looked.
      if (isPulling(name)) continue;
      if (details === undefined) await this.#noted(record.end(name));
      else await this.#noted(record.pulled(name, details.id, "unknown"));
    }
  }

  /** On a disk that is full nothing can be written, and it is now that images have to go: what is known in memory does. */
  async #noted(writing: Promise<void>): Promise<void> {
    try {
      await writing;
    } catch (error) {
      this.#options.log.warn({ err: errorText(error) }, "cannot write down which images are ours");
    }
  }

  async #inUse(all: readonly ImageSummary[], signal: AbortSignal): Promise<ReadonlySet<string>> {
    const { client } = this.#options;
    const used = new Set(all.filter(({ containers }) => containers > 0).map(({ id }) => id));
    // Docker counts only when it is asked for sizes.
    if (all.every(({ containers }) => containers >= 0)) return used;
    for (const { id } of await client.listContainers([], { signal })) {
      try {
        used.add((await client.inspectContainer(id, { signal })).imageID);
      } catch (error) {
        if (!isErrorKind(error, "NotFound")) throw error;
      }
    }
    return used;
  }
}
