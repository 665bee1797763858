// The audit lines of exec, attach, run and port-forward: who did what to which container, and how it ended.
import type { Logger } from "../log.ts";
import type { UserInfo } from "./access.ts";

export interface AuditSubject {
  readonly action: "exec" | "attach" | "run" | "port-forward";
  readonly user: UserInfo;
  /** Of the pod. */
  readonly uid: string;
  readonly command?: readonly string[] | undefined;
  readonly remoteAddress: string;
  /** Whom the caller says it asks for, e.g. the API server about its own client. */
  readonly forwardedFor?: string | undefined;
  readonly protocol: string;
}

export interface AuditEnd {
  /** "ok", "exit 3", or why it failed or was ended. */
  readonly outcome: string;
  /** Of a port-forward: those that connections went to. */
  readonly ports?: readonly number[] | undefined;
  /** Of the connection, framing included. */
  readonly bytesIn: number;
  readonly bytesOut: number;
}

const longestArgument = 256;
const mostArguments = 32;
const mostGroups = 32;
/** An outcome may be a provider's words. */
const longestOutcome = 1024;

/** Writes the first line; the returned function the last one. `log` has node, namespace, pod and container on each line. */
export function audit(log: Logger, subject: AuditSubject, withArguments: boolean): (end: AuditEnd) => void {
  const { user, command, ...rest } = subject;
  const fields = {
    audit: true,
    ...rest,
    user: user.username,
    groups: user.groups.slice(0, mostGroups),
    ...(command === undefined ? {} : commandFields(command, withArguments)),
  };
  const began = performance.now();
  log.info(fields, `${subject.action} begins`);
  return (end) => {
    const seconds = Math.round(performance.now() - began) / 1000;
    log.info({ ...fields, ...end, outcome: cut(end.outcome, longestOutcome), seconds }, `${subject.action} ended`);
  };
}

/** As the API server tells it. */
export function forwardedFor(
  headers: Readonly<Record<string, string | readonly string[] | undefined>>,
): Pick<AuditSubject, "forwardedFor"> {
  const value = headers["x-forwarded-for"];
  return value === undefined ? {} : { forwardedFor: String(value).slice(0, longestArgument) };
}

/** The program's name, and the arguments or how many there are. */
export function commandFields(command: readonly string[], withArguments: boolean): Readonly<Record<string, unknown>> {
  const short = (text: string): string => cut(text, longestArgument);
  const [program = "", ...args] = command;
  return withArguments
    ? { command: command.slice(0, mostArguments).map(short), arguments: args.length }
    : { command: [short(program)], arguments: args.length };
}

function cut(text: string, limit: number): string {
  return text.length > limit ? `${text.slice(0, limit)}…` : text;
}
