// How faults of a pod, and what it does without, are told.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { CreateNote } from "@virtual-kubelet/virtual-kubelet/cloud";

/** What can never run here. */
export function unsupported(field: string, message: string): VirtualKubeletError {
  return new VirtualKubeletError("Unsupported", message, { field });
}

/** What is written wrongly. */
export function invalid(field: string, message: string): VirtualKubeletError {
  return new VirtualKubeletError("Invalid", message, { field });
}

export function ignored(field: string, message: string): CreateNote {
  return { eventType: "Normal", reason: "FieldIgnored", message: `${field}: ${message}` };
}
