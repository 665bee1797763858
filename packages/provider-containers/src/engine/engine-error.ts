// What an engine's refusal means, in our kinds. Pure.
import { type ErrorKind, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import * as v from "valibot";

const refusal = v.object({ message: v.string() });

/** Longer ones carry whole build logs. */
const longestMessage = 2000;

/** An answer's error text: both engines say it as `message` of an object. */
function refusalText(text: string): string {
  try {
    const parsed = v.safeParse(refusal, JSON.parse(text));
    if (parsed.success) return parsed.output.message.trim().slice(0, longestMessage);
  } catch {
    // Plain text, e.g. of a proxy in between.
  }
  return text.trim().slice(0, longestMessage);
}

export function engineError(status: number, text: string): VirtualKubeletError {
  const message = refusalText(text) || `the engine answered ${status}`;
  return new VirtualKubeletError(kindOf(status, message), message, { httpStatus: status });
}

function kindOf(status: number, message: string): ErrorKind {
  switch (status) {
    case 400:
      return "Invalid";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "NotFound";
    case 409:
      return "Conflict";
    case 429:
      return "Throttled";
    case 501:
      return "Unsupported";
    default:
      return kindOf500(message);
  }
}

/** Podman answers 500 where Docker says what it is. */
function kindOf500(message: string): ErrorKind {
  if (/invalid reference format|invalid (argument|option|container|value|capability)|unknown capability/i.test(message))
    return "Invalid";
  if (/state improper|is not running|already in use|is being used|has dependent containers/i.test(message))
    return "Conflict";
  if (/no such (container|image|exec session)|image not known/i.test(message)) return "NotFound";
  return "Unavailable";
}

/** Of a start that the OCI runtime refused: it would refuse it again. `reason` StartError, as kubelets show it. */
export function startError(error: VirtualKubeletError): VirtualKubeletError {
  if (error.httpStatus === undefined || error.kind === "NotFound") return error;
  const refused =
    /OCI (runtime|permission)|\brunc\b|\bcrun\b|unable to find user|unable to find group|executable file not found|no such file or directory|permission denied/;
  if (!refused.test(error.message)) return error;
  return new VirtualKubeletError("Invalid", startText(error.message), {
    ...{ reason: "StartError", httpStatus: error.httpStatus, cause: error },
  });
}

/** Without the names of all the layers that passed it on. */
function startText(message: string): string {
  const bare = message
    .replace(/^((failed to create (task for container|shim task)|OCI runtime create failed|runc|crun): )+/i, "")
    .replace(/: OCI (runtime attempted to invoke a command that was not found|permission denied|runtime error)$/, "")
    .replace(/: unknown$/, "");
  return `OCI runtime create failed: ${bare}`;
}

/** Why a pull failed, by what registry and engine say. */
export function pullError(message: string): VirtualKubeletError {
  const text = message.trim().slice(0, longestMessage);
  if (/invalid reference format/i.test(text)) return new VirtualKubeletError("Invalid", text);
  if (
    /unauthorized|authentication required|no basic auth|access denied|access to the resource is denied|\b401\b|invalid username\/password/i.test(
      text,
    )
  )
    return new VirtualKubeletError("Unauthorized", text);
  if (/manifest unknown|not found|name unknown|no such image|does not exist|\b404\b/i.test(text))
    return new VirtualKubeletError("NotFound", text);
  return new VirtualKubeletError("Unavailable", text);
}
