// What decisions about a pod lead to: tasks that take their time, each under a key of which there is never more than one
// under way. Types and keys only.
import type { ContainerRef, RuntimeContainer } from "./container-runtime.ts";
import type { Resize } from "./plan-resize.ts";
import type { PodContainer } from "./pod-container.ts";
import type { PodMemory } from "./pod-memory.ts";
import type { RunNotes } from "./run-notes.ts";

export type Task =
  | { readonly type: "createSandbox"; readonly key: "sandbox"; readonly memory: PodMemory }
  | { readonly type: "stopSandbox" | "removeSandbox"; readonly key: "sandbox" }
  /** Makes sure that the image is there for this run: looks, and pulls by policy. */
  | { readonly type: "image"; readonly key: string; readonly of: PodContainer; readonly attempt: number }
  | {
      readonly type: "create";
      readonly key: string;
      readonly of: PodContainer;
      readonly attempt: number;
      readonly notes: RunNotes;
    }
  | { readonly type: "start"; readonly key: string; readonly of: PodContainer; readonly run: RuntimeContainer }
  | { readonly type: "postStart"; readonly key: string; readonly of: PodContainer; readonly run: RuntimeContainer }
  | { readonly type: "preStop"; readonly key: string; readonly of: PodContainer; readonly run: RuntimeContainer }
  /** Again with an earlier deadline while it is under way: that one counts. */
  | {
      readonly type: "stop";
      readonly key: string;
      readonly ref: ContainerRef;
      /** In place of the one of the image, or TERM. */
      readonly signal?: string | undefined;
      /** KILL not before a minimal time, whatever the deadline; epoch milliseconds. 0: at once. */
      readonly deadline: number;
    }
  | {
      readonly type: "resize";
      readonly key: string;
      readonly of: PodContainer;
      readonly run: RuntimeContainer;
      readonly resize: Resize;
    }
  | { readonly type: "remove"; readonly key: string; readonly ref: ContainerRef }
  | { readonly type: "message"; readonly key: string; readonly of: PodContainer; readonly run: RuntimeContainer };

export const resizeKey = (name: string): string => `resize/${name}`;
/** Getting a container to run: image, create, start. */
export const startKey = (name: string): string => `start/${name}`;
export const hookKey = (name: string): string => `hook/${name}`;
export const stopKey = (name: string, attempt: number): string => `stop/${name}/${attempt}`;
export const removeKey = (name: string, attempt: number): string => `remove/${name}/${attempt}`;
export const messageKey = (name: string, attempt: number): string => `message/${name}/${attempt}`;
