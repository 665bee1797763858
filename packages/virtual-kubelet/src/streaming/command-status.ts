// How the outcome of a command is told on the error channel: a metav1.Status as JSON since v4, before that plain text.
import type { CommandOutcome } from "./remote-command.ts";

/** JSON text of the metav1.Status for protocols v4 and later. */
export function statusOf(outcome: CommandOutcome): string {
  if (outcome.type === "success") return JSON.stringify({ metadata: {}, status: "Success" });
  const failure = { metadata: {}, status: "Failure", message: messageOf(outcome) };
  if (outcome.type === "failure") return JSON.stringify({ ...failure, reason: "InternalError", code: 500 });
  const cause = { reason: "ExitCode", message: String(outcome.exitCode) };
  return JSON.stringify({ ...failure, reason: "NonZeroExitCode", details: { causes: [cause] } });
}

/** Plain text for protocols before v4; undefined for a success, of which they say nothing. */
export function messageOf(outcome: CommandOutcome): string | undefined {
  switch (outcome.type) {
    case "success":
      return undefined;
    case "exit":
      return `command terminated with non-zero exit code: exit status ${outcome.exitCode}`;
    case "failure":
      return `Internal error occurred: ${outcome.message}`;
  }
}
