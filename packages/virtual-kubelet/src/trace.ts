// Spans around the work that leaves the process. Costs a comparison unless the program (or a user of the library) turns tracing on.

export type SpanAttributes = Readonly<Record<string, string | number | boolean | undefined>>;

/** Runs `work` in a span; the span has failed when the work throws. */
export type SpanRunner = <T>(name: string, attributes: SpanAttributes, work: () => Promise<T>) => Promise<T>;

let runner: SpanRunner | undefined;

/** Turns spans on for the whole process, or off. A runner over an OpenTelemetry tracer is in program/tracing.ts. */
export function setSpanRunner(next: SpanRunner | undefined): void {
  runner = next;
}

/** Runs `work`, in a span when tracing is on. Attributes hold no secrets; names are constants, never ids. */
export function span<T>(name: string, attributes: SpanAttributes, work: () => Promise<T>): Promise<T> {
  return runner === undefined ? work() : runner(name, attributes, work);
}
