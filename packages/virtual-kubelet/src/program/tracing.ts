// Spans over OTLP/HTTP. Loaded only when tracing is on: the OpenTelemetry SDK is an optional dependency.
import { AsyncLocalStorage } from "node:async_hooks";
import {
  type Context,
  type ContextManager,
  context,
  DiagLogLevel,
  diag,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  trace,
} from "@opentelemetry/api";
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import { type SpanAttributes, type SpanRunner, setSpanRunner } from "../trace.ts";
import type { Config } from "./config.ts";
import { redactText } from "./redact.ts";
import type { TraceTarget } from "./trace-target.ts";

export interface TracingOptions {
  readonly tracing: Config["tracing"];
  readonly target: TraceTarget;
  readonly version: string;
  readonly log: Logger;
}

/** Turns tracing on for the process. Disposing sends what is left (within 5 s) and turns it off. Throws Unsupported without the SDK. */
export async function startTracing({ tracing, target, version, log }: TracingOptions): Promise<AsyncDisposable> {
  const { BatchSpanProcessor, ParentBasedSampler, TraceIdRatioBasedSampler, TracerProvider } = await optional(
    () => import("@opentelemetry/sdk-trace"),
  );
  const { OTLPTraceExporter } = await optional(() => import("@opentelemetry/exporter-trace-otlp-http"));
  const { defaultResource, detectResources, envDetector, resourceFromAttributes } = await optional(
    () => import("@opentelemetry/resources"),
  );
  const resource = defaultResource()
    .merge(detectResources({ detectors: [envDetector] }))
    .merge(
      resourceFromAttributes({ ...tracing.tags, "service.name": tracing.serviceName, "service.version": version }),
    );
  const exporter = new OTLPTraceExporter({
    ...(target.url === undefined ? {} : { url: target.url }),
    ...(target.headers === undefined ? {} : { headers: { ...target.headers } }),
  });
  const provider = new TracerProvider({
    resource,
    sampler: new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(tracing.sampleRatio) }),
    spanProcessors: [new BatchSpanProcessor({ exporter, scheduledDelayMillis: 2000 })],
  });
  // What the exporter cannot send it tells here, and nowhere else.
  const tell = (message: string, ...rest: unknown[]): void =>
    log.warn({ err: redactText([message, ...rest.map((one) => errorText(one))].join(" ")) }, "tracing");
  const silent = (): void => undefined;
  diag.setLogger(
    { error: tell, warn: tell, info: silent, debug: silent, verbose: silent },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  );
  context.setGlobalContextManager(new AsyncContexts());
  trace.setGlobalTracerProvider(provider);
  setSpanRunner(spanRunner(version), activeIds);
  return {
    async [Symbol.asyncDispose]() {
      setSpanRunner(undefined);
      trace.disable();
      context.disable();
      const late = Promise.withResolvers<void>();
      const timer = setTimeout(late.resolve, 5000);
      try {
        await Promise.race([provider.shutdown(), late.promise]);
      } catch (error) {
        tell("the last spans were not sent:", error);
      } finally {
        clearTimeout(timer);
        diag.disable();
      }
    },
  };
}

async function optional<T>(load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const needed = "@opentelemetry/sdk-trace, @opentelemetry/resources and @opentelemetry/exporter-trace-otlp-http";
    throw new VirtualKubeletError("Unsupported", `tracing needs the packages ${needed}: install them`, { cause });
  }
}

/** A runner of spans over the tracer that is registered with OpenTelemetry's API. */
export function spanRunner(version: string): SpanRunner {
  const tracer = trace.getTracer("virtual-kubelet", version);
  return <T>(name: string, attributes: SpanAttributes, work: () => Promise<T>): Promise<T> =>
    tracer.startActiveSpan(name, { kind: SpanKind.CLIENT, attributes: { ...attributes } }, (span) =>
      inSpan(span, work),
    );
}

function activeIds(): { readonly trace_id: string; readonly span_id: string } | undefined {
  const ids = trace.getActiveSpan()?.spanContext();
  return ids === undefined ? undefined : { trace_id: ids.traceId, span_id: ids.spanId };
}

async function inSpan<T>(span: Span, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    span.setAttribute("error.type", VirtualKubeletError.from(error).kind);
    span.setStatus({ code: SpanStatusCode.ERROR, message: redactText(errorText(error)) });
    throw error;
  } finally {
    span.end();
  }
}

/** Carries the active span along promises and callbacks; the SDK itself brings this for browsers only. */
class AsyncContexts implements ContextManager {
  readonly #storage = new AsyncLocalStorage<Context>();

  active(): Context {
    return this.#storage.getStore() ?? ROOT_CONTEXT;
  }

  with<A extends unknown[], F extends (...args: A) => ReturnType<F>>(
    active: Context,
    work: F,
    self?: ThisParameterType<F>,
    ...args: A
  ): ReturnType<F> {
    return this.#storage.run(active, () => Reflect.apply(work, self, args));
  }

  bind<T>(active: Context, target: T): T {
    if (typeof target !== "function") return target;
    const storage = this.#storage;
    return new Proxy(target, {
      apply: (bound, self, args) => storage.run(active, () => Reflect.apply(bound, self, args)),
    });
  }

  enable(): this {
    return this;
  }

  disable(): this {
    this.#storage.disable();
    return this;
  }
}
