// Images of an engine in memory, with a state directory of their own, in a time that tests set.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type CallContext, type Clock, type ImageCredential, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { Images } from "../images.ts";
import { MemoryImageEngine } from "./memory-image-engine.ts";

const config = {
  ...{ highThresholdPercent: 85, lowThresholdPercent: 80, minimumAgeSeconds: 120 },
  ...{ parallelPulls: 2, defaultRegistries: [] },
};
export const app: string = "r.example/team/app:1";

export function user(username: string, password = "p"): ImageCredential {
  return { registry: "r.example/team", username, password };
}

export function contextOf(signal: AbortSignal = new AbortController().signal): CallContext {
  return { signal, log: silentLogger };
}
export const context: CallContext = contextOf();

export class ImagesBench implements AsyncDisposable {
  readonly engine: MemoryImageEngine = new MemoryImageEngine();
  readonly directory: string;
  now: number = 0;
  readonly #clock: Clock = { now: () => this.now, schedule: () => () => undefined };

  private constructor(directory: string) {
    this.directory = directory;
  }

  static async make(): Promise<ImagesBench> {
    return new ImagesBench(await mkdtemp(join(tmpdir(), "vk-images-")));
  }

  /** As a program that begins. */
  images(): Promise<Images> {
    const { client } = this.engine;
    const options = { client, stateDirectory: this.directory, config, clock: this.#clock, log: silentLogger };
    return Images.open({ ...options, disk: () => this.engine.disk }, context);
  }

  get record(): string {
    return readFileSync(join(this.directory, "images.json"), "utf8");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true });
  }
}

/** Until a condition holds that needs no more than that what is under way goes on. */
export async function soon(holds: () => boolean): Promise<void> {
  for (const end = performance.now() + 60_000; !holds(); await nextTurn())
    assert.ok(performance.now() < end, "it does not come to be");
}
