// A logger that keeps its lines for a test to look at.
import type { LogFields, Logger } from "../log.ts";

export interface LogLine {
  readonly level: "debug" | "info" | "warn" | "error";
  readonly message: string;
  readonly fields: LogFields;
}

/** Of a test that logs without end the oldest go. */
const mostLines = 10_000;

export class LogRecorder implements Logger {
  readonly lines: LogLine[];
  readonly #fields: LogFields;

  constructor(lines: LogLine[] = [], fields: LogFields = {}) {
    this.lines = lines;
    this.#fields = fields;
  }

  debug(fields: LogFields, message: string): void {
    this.#add("debug", fields, message);
  }

  info(fields: LogFields, message: string): void {
    this.#add("info", fields, message);
  }

  warn(fields: LogFields, message: string): void {
    this.#add("warn", fields, message);
  }

  error(fields: LogFields, message: string): void {
    this.#add("error", fields, message);
  }

  child(fields: LogFields): Logger {
    return new LogRecorder(this.lines, { ...this.#fields, ...fields });
  }

  /** Each line as one object, with its level and message among its fields. */
  get flat(): readonly LogFields[] {
    return this.lines.map(({ level, message, fields }) => ({ ...fields, level, message }));
  }

  /** How many lines say this. */
  count(message: RegExp, level?: LogLine["level"]): number {
    return this.lines.filter((line) => message.test(line.message) && (level ?? line.level) === line.level).length;
  }

  #add(level: LogLine["level"], fields: LogFields, message: string): void {
    this.lines.push({ level, message, fields: { ...this.#fields, ...fields } });
    if (this.lines.length > mostLines) this.lines.splice(0, mostLines / 2);
  }
}
