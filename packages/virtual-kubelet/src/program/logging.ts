// Log lines on standard error: JSON for machines, short lines on a terminal; no secrets in either.
import { Writable } from "node:stream";
import { styleText } from "node:util";
import { destination, type LoggerOptions, pino } from "pino";
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { LogFields, Logger } from "../log.ts";
import { spanFields } from "../trace.ts";
import type { LogFormat, LogLevel } from "./config.ts";
import { redact, redactText } from "./redact.ts";

export interface LoggingOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  /** Default: standard error, written at once, so that the last lines before an end are not lost. */
  readonly stream?: { write(line: string): unknown; readonly isTTY?: boolean } | undefined;
}

/** An error as the log shows it: the messages of the whole chain, its kind, and its stack only where the level is debug. */
function errorFields(error: unknown, withStack: boolean): unknown {
  if (!(error instanceof Error)) return typeof error === "string" ? redactText(error) : redact(error);
  const { kind, reason, field } = error instanceof VirtualKubeletError ? error : {};
  return {
    message: redactText(errorText(error)),
    ...(kind === undefined ? { name: error.name } : { kind }),
    ...(reason === undefined ? {} : { reason }),
    ...(field === undefined ? {} : { field }),
    ...(withStack && error.stack !== undefined ? { stack: redactText(error.stack) } : {}),
  };
}

export function createLogger(options: LoggingOptions): Logger {
  const { level, format } = options;
  const stream = options.stream ?? destination({ fd: 2, sync: true });
  const terminal = options.stream === undefined ? process.stderr.isTTY : options.stream.isTTY === true;
  const pretty = format === "pretty" || (format === "auto" && terminal);
  const clean = (fields: object): Record<string, unknown> => {
    const copy = redact(fields);
    const result: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(typeof copy === "object" && copy !== null ? copy : {})) {
      const isError = value instanceof Error || key === "err" || key === "error";
      result[key] = isError ? errorFields(value, level === "debug") : value;
    }
    return result;
  };
  const settings: LoggerOptions = {
    level,
    base: null,
    messageKey: "message",
    errorKey: "err",
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    // Errors are serialised by `clean`: for pino's own serialiser a plain object is nothing to do.
    serializers: { err: (value: unknown) => value },
    formatters: { level: (label) => ({ level: label }), log: clean },
  };
  const root = pino(
    settings,
    pretty ? new PrettyLines(stream, terminal && process.env["NO_COLOR"] === undefined) : stream,
  );
  // pino formats the fields of its children no more, so they are cleaned here.
  const wrap = (inner: Logger, inherited: LogFields): Logger => {
    // pino writes a key that both have twice: such a line is written by the root, with all of its fields.
    const write = (name: LogLevel, given: LogFields, message: string): void => {
      const traced = spanFields();
      const fields = traced === undefined ? given : { ...given, ...traced };
      const again = Object.keys(fields).some((key) => Object.hasOwn(inherited, key));
      if (again) root[name]({ ...inherited, ...fields }, message);
      else inner[name](fields, message);
    };
    return {
      debug: (fields, message) => write("debug", fields, message),
      info: (fields, message) => write("info", fields, message),
      warn: (fields, message) => write("warn", fields, message),
      error: (fields, message) => write("error", fields, message),
      child: (fields) => {
        const all = { ...inherited, ...clean(fields) };
        return wrap(root.child(all), all);
      },
    };
  };
  return wrap(root, {});
}

const levelStyle: Readonly<Record<string, "gray" | "green" | "yellow" | "red">> = {
  debug: "gray",
  info: "green",
  warn: "yellow",
  error: "red",
};

/** Turns pino's JSON lines into "12:03:04 INFO  node=vk-0 pod=default/web-0 created". */
class PrettyLines extends Writable {
  readonly #out: { write(line: string): unknown };
  readonly #color: boolean;

  constructor(out: { write(line: string): unknown }, color: boolean) {
    super({ decodeStrings: false });
    this.#out = out;
    this.#color = color;
  }

  override _write(line: unknown, _encoding: string, done: () => void): void {
    this.#out.write(`${prettyLine(String(line), this.#color)}\n`);
    done();
  }
}

/** One JSON line in the form for people; a line that is no JSON stays as it is. */
export function prettyLine(json: string, color: boolean): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return json.trimEnd();
  }
  if (typeof parsed !== "object" || parsed === null) return json.trimEnd();
  const { level, time, message, namespace, pod, err, ...rest }: Record<string, unknown> = { ...parsed };
  const paint = (style: Parameters<typeof styleText>[0], text: string): string =>
    color ? styleText(style, text, { validateStream: false }) : text;
  const name = String(level);
  const fields: Record<string, unknown> = { ...rest };
  const podName = typeof pod === "string" && typeof namespace === "string" ? `${namespace}/${pod}` : pod;
  const { node, ...others } = fields;
  const shownFields = Object.entries({
    node,
    namespace: podName === pod ? namespace : undefined,
    pod: podName,
    ...others,
  })
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => paint("gray", `${key}=`) + plain(value));
  const { stack, ...error }: Record<string, unknown> =
    typeof err === "object" && err !== null ? { ...err } : { message: err };
  const told =
    err === undefined
      ? ""
      : `: ${error["kind"] === undefined ? "" : `${plain(error["kind"])}: `}${String(error["message"])}`;
  const head = `${paint("gray", localTime(String(time)))} ${paint(levelStyle[name] ?? "gray", name.toUpperCase().padEnd(5))}`;
  const line = [head, ...shownFields, `${String(message ?? "")}${told}`].join(" ");
  return stack === undefined ? line : `${line}\n${String(stack)}`;
}

function localTime(iso: string): string {
  const time = new Date(iso);
  return [time.getHours(), time.getMinutes(), time.getSeconds()].map((part) => String(part).padStart(2, "0")).join(":");
}

function plain(value: unknown): string {
  if (typeof value === "string") return /^[\w./:@-]+$/.test(value) ? value : JSON.stringify(value);
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
