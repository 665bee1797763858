// Why a task was stopped by this program, in the reason that ECS keeps with it: so that it is known after a restart, too. Pure.
import type { PodFailure } from "@virtual-kubelet/virtual-kubelet";

export type StopReason =
  /** The pod was deleted: there is no such group any more once it has stopped. */
  | { readonly type: "deleted" }
  /** Its main containers have ended one by one. */
  | { readonly type: "ended" }
  /**
   * One of its containers is to start anew, and does so with all of the task but those that had ended for good (`done`). `failures`: its
   * back-off is over, and so many tries had failed before.
   */
  | { readonly type: "again"; readonly done?: readonly string[]; readonly failures?: number | undefined }
  | { readonly type: "stopped"; readonly failure?: PodFailure | undefined };

const startsAnew = "virtual-kubelet: a container is to start anew";
const parseStartsAnew = new RegExp(`^${startsAnew}(?:, tried before: (\\d{1,9}))?(?:, ended: ([a-z0-9 -]+))?$`);
/** Characters that ECS takes. */
const mostCharacters = 1024;

export function stopReasonText(reason: StopReason): string {
  if (reason.type === "deleted") return "virtual-kubelet: the pod was deleted";
  if (reason.type === "again") {
    const { done = [], failures } = reason;
    const tried = failures === undefined ? "" : `, tried before: ${failures}`;
    const ended = done.length === 0 ? "" : `, ended: ${done.join(" ")}`;
    return `${startsAnew}${tried}${ended}`;
  }
  if (reason.type === "ended") return "virtual-kubelet: the pod's containers have ended";
  const { failure } = reason;
  if (failure === undefined) return "virtual-kubelet: the pod was stopped";
  const head = `virtual-kubelet: failed ${failure.reason}${failure.disruption === undefined ? "" : ` (${failure.disruption})`}: `;
  return `${head}${failure.message}`.slice(0, mostCharacters);
}

/** Undefined: somebody else's words. */
export function parseStopReason(text: string): StopReason | undefined {
  for (const type of ["deleted", "ended"] as const) if (text === stopReasonText({ type })) return { type };
  const again = parseStartsAnew.exec(text);
  if (again !== null) {
    const [, failures, done] = again;
    return {
      ...{ type: "again", done: done?.split(" ") ?? [] },
      ...(failures === undefined ? {} : { failures: Number(failures) }),
    };
  }
  if (text === stopReasonText({ type: "stopped" })) return { type: "stopped" };
  const [, reason, disruption, message] = /^virtual-kubelet: failed (\w+)(?: \((\w+)\))?: (.*)$/s.exec(text) ?? [];
  if (reason === undefined || message === undefined) return undefined;
  return { type: "stopped", failure: { reason, message, ...(disruption === undefined ? {} : { disruption }) } };
}
