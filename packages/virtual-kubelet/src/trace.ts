// Spans around the work that leaves the process. Costs a comparison unless the program (or a user of the library) turns tracing on.

export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Runs `work` in a span; the span has failed when the work throws. */
export type SpanRunner = <T>(name: string, attributes: SpanAttributes, work: () => Promise<T>) => Promise<T>;

/** Ids of the span that the present code runs in, as fields of a log line: `trace_id`, `span_id`. */
export type SpanFields = () => Readonly<Record<string, string>> | undefined;

let runner: SpanRunner | undefined;
let active: SpanFields | undefined;

/** Turns spans on for the whole process, or off. A runner over an OpenTelemetry tracer is in program/tracing.ts. */
export function setSpanRunner(next: SpanRunner | undefined, fields?: SpanFields): void {
  runner = next;
  active = fields;
}

/** Undefined outside of spans, and while tracing is off. */
export const spanFields: SpanFields = () => active?.();

/** Runs `work`, in a span when tracing is on. Attributes hold no secrets; names are constants, never ids. */
export function span<T>(name: string, attributes: SpanAttributes, work: () => Promise<T>): Promise<T> {
  return runner === undefined ? work() : runner(name, attributes, work);
}
