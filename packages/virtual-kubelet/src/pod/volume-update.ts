// Contents of a running pod's volumes on their way to the provider.
import { errorText, VirtualKubeletError } from "../errors.ts";
import { type ActionContext, event, fields } from "./action-context.ts";
import { type PodEntry, revisionOf } from "./pod-entry.ts";
import { call } from "./provider-call.ts";
import { changedVolumes, noteVolumes } from "./resolution.ts";

/** Hands over what the volumes hold now, where the backend has something else. */
export async function updateVolumes(entry: PodEntry, context: ActionContext, signal: AbortSignal): Promise<void> {
  const { pod } = entry;
  const { provider } = context.node;
  if (pod === undefined || provider.updateVolumes === undefined) return;
  const before = entry.volumesRevision;
  entry.volumesDue = false;
  entry.volumesRevision = revisionOf(pod);
  const volumes = changedVolumes(entry, pod, context);
  if (volumes.length === 0) return;
  try {
    await call(entry, context, signal, async (callContext) =>
      provider.updateVolumes?.(entry.owner, volumes, callContext),
    );
  } catch (thrown) {
    const error = VirtualKubeletError.from(thrown);
    if (error.kind === "NotFound") entry.backend = { type: "unknown" };
    if (error.kind === "Invalid" || error.kind === "Unsupported") {
      // What can never be taken is not handed over again; the pod goes on with what it has.
      noteVolumes(entry, volumes);
      event(entry, context, "Warning", "ProviderUpdateFailed", errorText(error));
      return;
    }
    entry.volumesDue = true;
    entry.volumesRevision = before;
    if (error.kind === "Aborted" || error.kind === "NotFound") return;
    throw error;
  }
  noteVolumes(entry, volumes);
  context.log.debug({ ...fields(entry), volumes: volumes.map(({ name }) => name) }, "contents of volumes handed over");
}
