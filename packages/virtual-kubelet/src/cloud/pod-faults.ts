// How faults of a pod, and what it does without on a cloud, are told. Pure.
import { VirtualKubeletError } from "../errors.ts";
import type { CreateNote } from "./cloud-backend.ts";

/** What can never run here. */
export function unsupported(field: string, message: string): VirtualKubeletError {
  return new VirtualKubeletError("Unsupported", message, { field });
}

/** What is written wrongly. */
export function invalid(field: string, message: string): VirtualKubeletError {
  return new VirtualKubeletError("Invalid", message, { field });
}

/** What has no effect here, and harms nobody. */
export function ignored(field: string, message: string): CreateNote {
  return { eventType: "Normal", reason: "FieldIgnored", message: `${field}: ${message}` };
}
