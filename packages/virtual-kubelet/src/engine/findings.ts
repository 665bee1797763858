// What was found out about a pod in the life of this process and is lost with it: nothing that could not be found out again.
import { type BackoffLimits, type BackoffStep, raised } from "./backoff.ts";
import type { PodContainer } from "./pod-container.ts";
import { type Findings, runKey, type StartError } from "./pod-facts.ts";

type RunId = { readonly name: string; readonly attempt: number };

export class PodFindings implements Findings {
  readonly images: Map<string, { readonly attempt: number; readonly image: string }> = new Map();
  readonly startErrors: Map<string, StartError> = new Map();
  readonly pulls: Map<string, BackoffStep> = new Map();
  readonly messages: Map<string, string> = new Map();
  readonly stopped: Set<string> = new Set();
  readonly postStartFailed: Set<string> = new Set();
  readonly unresizable: Map<string, string> = new Map();
  readonly resizeErrors: Map<string, string> = new Map();
  sandboxFailedAt: number | undefined;
  sandboxUncertain = false;

  imageFound(name: string, attempt: number, image: string): void {
    this.images.set(name, { attempt, image });
    this.startErrors.delete(name);
  }

  /** The next try has its time by the back-off of this image. */
  pullFailed(image: string, now: number, limits: BackoffLimits): number {
    const step = raised(this.pulls.get(image), now, limits);
    this.pulls.set(image, step);
    return now + step.ms;
  }

  startFailed(name: string, error: StartError): void {
    this.startErrors.set(name, error);
  }

  /** Containers that waited for something that is there now, or for something else, are tried at once. */
  resolvedAnew(before: readonly PodContainer[], now: readonly PodContainer[]): void {
    for (const { name, resolved } of now) {
      const was = before.find((one) => one.name === name)?.resolved?.missing;
      if (was !== resolved?.missing) this.startErrors.delete(name);
    }
  }

  /** What is said of runs that are gone is forgotten. */
  forgetBut(runs: readonly RunId[]): void {
    const known = new Set(runs.map(runKey));
    for (const one of [this.messages, this.stopped, this.postStartFailed, this.resizeErrors])
      for (const key of one.keys()) if (!known.has(key)) one.delete(key);
    for (const key of this.unresizable.keys()) if (!known.has(key.split(" ")[0] ?? "")) this.unresizable.delete(key);
  }
}
