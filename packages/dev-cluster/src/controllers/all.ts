// The controllers of a development cluster.
import type { Api } from "../api.ts";
import type { Authority } from "../certificates.ts";
import { autoscalers, type PodUsage } from "./autoscalers.ts";
import { budgets } from "./budgets.ts";
import { certificateRequests } from "./certificate-requests.ts";
import type { Controller } from "./controller.ts";
import { cronJobs } from "./cron-jobs.ts";
import { daemonSets } from "./daemon-sets.ts";
import { deployments } from "./deployments.ts";
import { endpoints } from "./endpoints.ts";
import { events } from "./events.ts";
import { garbage } from "./garbage.ts";
import { jobs } from "./jobs.ts";
import { namespaces } from "./namespaces.ts";
import { nodeLifecycle } from "./nodes.ts";
import { replicaSets } from "./replica-sets.ts";
import { scheduler } from "./scheduler.ts";
import { statefulSets } from "./stateful-sets.ts";
import { volumeProtection } from "./volume-protection.ts";

export function allControllers(
  api: Api,
  authority: Authority,
  nodeMonitorGraceMs: number,
  usage: PodUsage,
): readonly Controller[] {
  return [
    namespaces(api, authority.certificate),
    garbage(api),
    nodeLifecycle(api, nodeMonitorGraceMs),
    scheduler(api),
    deployments(api),
    replicaSets(api),
    daemonSets(api),
    statefulSets(api),
    jobs(api),
    cronJobs(api),
    endpoints(api),
    events(api),
    volumeProtection(api),
    autoscalers(api, usage),
    budgets(api),
    certificateRequests(api, authority),
  ];
}
