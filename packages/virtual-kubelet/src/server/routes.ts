// The table of all routes of the kubelet API: pattern, methods and what answers.
import { sendText } from "./answers.ts";
import { serveContainerLogs } from "./container-logs.ts";
import { serveCheckpoint, serveNodeLogs } from "./disabled-handlers.ts";
import { attachHandler, execHandler } from "./exec-handler.ts";
import { healthHandlers } from "./health-handlers.ts";
import type { KubeletHandler } from "./kubelet-call.ts";
import type { KubeletHandlers } from "./kubelet-server-options.ts";
import { servePods, serveRunningPods } from "./pods-handlers.ts";
import { portForwardHandler } from "./port-forward-handler.ts";
import type { Route } from "./router.ts";
import { runHandler } from "./run-handler.ts";
import type { StreamHandler } from "./stream-call.ts";
import type { StreamEnvironment } from "./stream-environment.ts";
import { configzHandler, flagzHandler, statuszHandler, type ZPagesOptions } from "./zpages.ts";

export type RouteHandler =
  /** Answers within the time limit of requests. */
  | { readonly type: "short"; readonly handle: KubeletHandler }
  /** Answers with a body that may never end. */
  | { readonly type: "long"; readonly handle: KubeletHandler }
  /** Takes the connection. */
  | { readonly type: "stream"; readonly handle: StreamHandler };

export interface RoutesOptions {
  readonly handlers: KubeletHandlers;
  readonly streams: StreamEnvironment;
  readonly problem: (node: string) => string | undefined;
  readonly zpages: ZPagesOptions;
}

export function kubeletRoutes({ handlers, streams, problem, zpages }: RoutesOptions): readonly Route<RouteHandler>[] {
  const health = healthHandlers(problem);
  const given = (handler: KubeletHandler | undefined): KubeletHandler => handler ?? absent;
  const exec = execHandler(streams);
  const attach = attachHandler(streams);
  const portForward = portForwardHandler(streams);
  const run = runHandler({ auditArguments: streams.auditArguments });
  return [
    short("/healthz", health.all),
    short("/healthz/{check}", health.single),
    short("/metrics", given(handlers.metrics)),
    short("/metrics/resource", given(handlers.resourceMetrics)),
    short("/metrics/cadvisor", given(handlers.cadvisorMetrics)),
    short("/metrics/slis", health.slis),
    short("/metrics/probes", given(handlers.probeMetrics)),
    short("/pods", servePods),
    short("/runningpods", serveRunningPods),
    short("/stats/summary", given(handlers.statsSummary), ["GET", "POST"]),
    long("/containerLogs/{namespace}/{pod}/{container}", handlers.containerLogs ?? serveContainerLogs, "GET"),
    stream("/exec/{namespace}/{pod}/{container}", exec),
    stream("/exec/{namespace}/{pod}/{uid}/{container}", exec),
    stream("/attach/{namespace}/{pod}/{container}", attach),
    stream("/attach/{namespace}/{pod}/{uid}/{container}", attach),
    stream("/portForward/{namespace}/{pod}", portForward),
    stream("/portForward/{namespace}/{pod}/{uid}", portForward),
    long("/run/{namespace}/{pod}/{container}", run, "POST"),
    long("/run/{namespace}/{pod}/{uid}/{container}", run, "POST"),
    short("/checkpoint/{namespace}/{pod}/{container}", serveCheckpoint, ["POST"]),
    short("/logs/{path*}", serveNodeLogs),
    short("/configz", configzHandler(zpages)),
    short("/statusz", statuszHandler(zpages)),
    short("/flagz", flagzHandler(zpages)),
  ];
}

/** As of a kubelet without that part. */
const absent: KubeletHandler = async ({ response }) => sendText(response, 404, "404 page not found\n");

function short(pattern: string, handle: KubeletHandler, methods: readonly string[] = ["GET"]): Route<RouteHandler> {
  return { pattern, methods, handler: { type: "short", handle } };
}

function long(pattern: string, handle: KubeletHandler, method: string): Route<RouteHandler> {
  return { pattern, methods: [method], handler: { type: "long", handle } };
}

function stream(pattern: string, handle: StreamHandler): Route<RouteHandler> {
  return { pattern, methods: ["GET", "POST"], handler: { type: "stream", handle } };
}
