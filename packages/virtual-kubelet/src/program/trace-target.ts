// Where traces go, by configuration and environment. Jaeger and the OpenTelemetry collector (ocagent's heir) both take OTLP over HTTP.
import type { Config } from "./config.ts";

export interface TraceTarget {
  /** Absent: the exporter reads the standard OTEL_EXPORTER_OTLP_* variables. */
  readonly url?: string;
  /** Never logged. */
  readonly headers?: Readonly<Record<string, string>>;
}

export interface TracePlan {
  /** Absent: tracing is off. */
  readonly target?: TraceTarget;
  /** What was asked for and is done differently, or not at all. */
  readonly notices: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;
const otlpPort = 4318;

export function planTracing({ exporters, endpoint }: Config["tracing"], env: Environment): TracePlan {
  const notices: string[] = [];
  if (exporters.includes("zpages")) notices.push("the trace exporter zpages has no effect: use otlp");
  const [exporter, another] = exporters.filter((name) => name !== "zpages");
  if (exporter === undefined) {
    const unused = ["JAEGER_COLLECTOR_ENDPOINT", "JAEGER_AGENT_ENDPOINT", "OCAGENT_ENDPOINT", "ZPAGES_PORT"];
    const set = unused.filter((name) => (env[name] ?? "") !== "");
    if (set.length > 0) notices.push(`${set.join(", ")} without effect: no trace exporter is configured`);
    return { notices };
  }
  if (another !== undefined) notices.push(`one trace exporter is used: ${exporter}; ${another} has no effect`);
  if (endpoint !== undefined) return { target: { url: endpoint, ...credentials(exporter, env) }, notices };
  const legacy = exporter === "jaeger" ? jaegerUrl(env) : exporter === "ocagent" ? ocagentUrl(env) : undefined;
  if (legacy !== undefined) notices.push(`the trace exporter ${exporter} is sent OTLP over HTTP at ${legacy}`);
  else if (exporter !== "otlp") notices.push(`the trace exporter ${exporter} is sent OTLP over HTTP`);
  return { target: { ...(legacy === undefined ? {} : { url: legacy }), ...credentials(exporter, env) }, notices };
}

/** The collector's host; the port and path are those of OTLP, since Jaeger's own formats are gone from it. */
function jaegerUrl(env: Environment): string | undefined {
  const collector = env["JAEGER_COLLECTOR_ENDPOINT"] ?? "";
  const url = URL.parse(collector);
  if (url !== null && /^https?:$/.test(url.protocol)) return otlpUrl(url.protocol, url.hostname);
  const agent = /^(\[[^\]]+\]|[^:]+)(?::\d+)?$/.exec(
    collector === "" ? (env["JAEGER_AGENT_ENDPOINT"] ?? "") : collector,
  );
  return agent?.[1] === undefined ? undefined : otlpUrl("http:", agent[1]);
}

function ocagentUrl(env: Environment): string | undefined {
  const host = /^(\[[^\]]+\]|[^:]+)(?::\d+)?$/.exec(env["OCAGENT_ENDPOINT"] ?? "")?.[1];
  if (host === undefined) return undefined;
  const insecure = /^(1|yes|y|on)$/.test(env["OCAGENT_INSECURE"] ?? "");
  return otlpUrl(insecure ? "http:" : "https:", host);
}

function otlpUrl(protocol: string, host: string): string {
  return `${protocol}//${host}:${otlpPort}/v1/traces`;
}

function credentials(exporter: string, env: Environment): Pick<TraceTarget, "headers"> {
  const user = env["JAEGER_USER"] ?? "";
  if (exporter !== "jaeger" || user === "") return {};
  const pair = Buffer.from(`${user}:${env["JAEGER_PASSWORD"] ?? ""}`).toString("base64");
  return { headers: { authorization: `Basic ${pair}` } };
}
