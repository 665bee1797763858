// Sub-resources that are more than a part of their object: binding, eviction, scale, tokens.
import type { Answer } from "./access.ts";
import { timestamp } from "./access.ts";
import { type Api, subjectOf } from "./api.ts";
import { schemaName } from "./api-data.ts";
import { ApiError, badRequest, conflict, notFound } from "./api-error.ts";
import { bindPod } from "./binding.ts";
import { documentOf, type ResourceCall, writeOptions } from "./call.ts";
import { withCondition } from "./conditions.ts";
import { hasStatus } from "./confine.ts";
import { deleteRequest } from "./deletion.ts";
import { disruption } from "./disruption.ts";
import { at, isObject, type Json, type JsonObject, list, number, object, put, text, texts } from "./json.ts";
import { conform } from "./schema.ts";
import { issuer, type Tokens } from "./tokens.ts";
import { patcher } from "./writing.ts";

export interface SubresourceContext {
  readonly api: Api;
  readonly tokens: Tokens;
}

/** undefined where the sub-resource is a part of its object, that is read and written as such. */
export async function subresource(context: SubresourceContext, call: ResourceCall): Promise<Answer | undefined> {
  const { resource, route } = call;
  switch (`${resource.key}/${route.subresource}`) {
    case "pods/binding":
      return bind(context.api, call, route.name);
    case "bindings/": {
      const document = await documentOf(call);
      return bind(context.api, call, text(document, "metadata", "name"));
    }
    case "pods/eviction":
      return evict(context.api, call);
    case "serviceaccounts/token":
      return token(context, call);
    default:
      return route.subresource === "scale" ? scale(context.api, call) : undefined;
  }
}

const done: Answer = {
  code: 201,
  body: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", code: 201 },
};

async function bind(api: Api, call: ResourceCall, name: string): Promise<Answer> {
  const document = await documentOf(call);
  const node = text(document, "target", "name");
  if (node === "") throw badRequest("binding: target.name: Required value");
  const pods = api.resource("pods");
  const pod = api.get(pods, call.route.namespace, name);
  const uid = text(document, "metadata", "uid");
  if (uid !== "" && uid !== text(pod, "metadata", "uid")) throw conflict(subjectOf(pods, name), "Precondition failed");
  bindPod(api, pod, node, writeOptions(call).dryRun);
  return done;
}

const evicted = {
  type: "DisruptionTarget",
  status: "True",
  reason: "EvictionByEvictionAPI",
  message: "Eviction API: evicting",
};

async function evict(api: Api, call: ResourceCall): Promise<Answer> {
  const document = await documentOf(call);
  const pods = api.resource("pods");
  const { namespace, name } = call.route;
  const pod = api.get(pods, namespace, name);
  const { refusal, budgets } = disruption(pod, api.store.list("poddisruptionbudgets.policy", namespace));
  if (refusal !== undefined) {
    throw new ApiError(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.", {
      causes: [{ reason: "DisruptionBudget", message: refusal }],
    });
  }
  const request = deleteRequest(at(document, "deleteOptions"), call.route.query);
  const dryRun = request.dryRun === true || writeOptions(call).dryRun;
  if (!dryRun) {
    // Counted at once: the controller has its turn after the next eviction may have come.
    for (const budget of budgets) {
      const left = (number(budget, "status", "disruptionsAllowed") ?? 0) - 1;
      const to = (current: JsonObject): JsonObject => put(current, ["status", "disruptionsAllowed"], left);
      const resource = api.resource("poddisruptionbudgets.policy");
      api.update(resource, namespace, text(budget, "metadata", "name"), { subresource: "status", to });
    }
    const to = (current: JsonObject): JsonObject => {
      const conditions = withCondition(list(current, "status", "conditions"), evicted, api.now());
      return put(current, ["status", "conditions"], conditions);
    };
    api.update(pods, namespace, name, { subresource: "status", to });
  }
  api.delete(pods, namespace, name, request, { ...writeOptions(call), dryRun });
  return done;
}

async function scale(api: Api, call: ResourceCall): Promise<Answer> {
  const { resource, route } = call;
  const shown = scaleOf(api.get(resource, route.namespace, route.name));
  if (route.verb === "get") return { code: 200, body: shown };
  const schema = schemaName("autoscaling/v1", "Scale");
  const change = route.verb === "patch" ? (await patcher(call, schema))(shown) : object(await documentOf(call));
  const { value } = conform(change, schema, "Scale", "v1");
  const replicas = number(value, "spec", "replicas") ?? 0;
  if (replicas < 0) throw badRequest("spec.replicas: Invalid value: must be greater than or equal to 0");
  // Empty is none.
  const resourceVersion = text(value, "metadata", "resourceVersion");
  const to = (current: JsonObject): JsonObject =>
    put(put(current, ["spec", "replicas"], replicas), ["metadata", "resourceVersion"], resourceVersion);
  const kept = api.update(resource, route.namespace, route.name, { to }, writeOptions(call));
  return { code: 200, body: scaleOf(kept) };
}

function scaleOf(workload: JsonObject): JsonObject {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object(workload, "metadata");
  const labels = Object.entries(object(workload, "spec", "selector", "matchLabels"));
  const replicas = number(workload, "spec", "replicas") ?? 0;
  return {
    kind: "Scale",
    apiVersion: "autoscaling/v1",
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: replicas === 0 ? {} : { replicas },
    status: {
      replicas: number(workload, "status", "replicas") ?? 0,
      selector: labels.map(([key, value]) => `${key}=${value}`).join(","),
    },
  };
}

async function token({ api, tokens }: SubresourceContext, call: ResourceCall): Promise<Answer> {
  const document = await documentOf(call);
  if (!isObject(document)) throw badRequest("expected a TokenRequest");
  const { namespace, name } = call.route;
  const account = api.get(call.resource, namespace, name);
  const seconds = number(document, "spec", "expirationSeconds") ?? 3600;
  if (seconds < 600)
    throw badRequest("spec.expirationSeconds: Invalid value: may not specify a duration less than 10 minutes");
  if (seconds > 2 ** 32)
    throw badRequest("spec.expirationSeconds: Invalid value: may not specify a duration larger than 2^32 seconds");
  const audiences = texts(document, "spec", "audiences");
  const pod = boundPod(api, namespace, name, object(document, "spec")["boundObjectRef"]);
  const nodeName = text(pod, "spec", "nodeName");
  const node = nodeName === "" ? undefined : api.store.get("nodes", "", nodeName);
  const issued = tokens.issue({ account, audiences, expirationSeconds: seconds, pod, node });
  const spec = {
    ...object(document, "spec"),
    audiences: audiences.length > 0 ? audiences : [issuer],
    expirationSeconds: seconds,
    boundObjectRef: object(document, "spec")["boundObjectRef"] ?? null,
  };
  const status = { token: issued.token, expirationTimestamp: timestamp(issued.expires) };
  const metadata = { name, namespace, creationTimestamp: timestamp(api.now()) };
  return { code: 201, body: { kind: "TokenRequest", apiVersion: "authentication.k8s.io/v1", metadata, spec, status } };
}

function boundPod(api: Api, namespace: string, account: string, reference: Json | undefined): JsonObject | undefined {
  if (!isObject(reference)) return undefined;
  if (text(reference, "kind") !== "Pod") throw badRequest("spec.boundObjectRef.kind: only Pod is supported here");
  const name = text(reference, "name");
  const pod = api.store.get("pods", namespace, name);
  const uid = text(reference, "uid");
  if (pod === undefined) throw notFound({ kind: "pods", name });
  if (uid !== "" && uid !== text(pod, "metadata", "uid")) {
    throw conflict(
      { kind: "pods", name },
      `the UID in the bound object reference (${uid}) does not match the UID in record (${text(pod, "metadata", "uid")}). The object might have been deleted and then recreated`,
    );
  }
  if (text(pod, "spec", "serviceAccountName") !== account) {
    throw badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(account)} to pod running with different serviceaccount name.`,
    );
  }
  return pod;
}

/** What of an object a sub-resource reads: its status and the like are the whole object. */
export function isPart({ resource, route }: ResourceCall): boolean {
  return (
    ["approval", "ephemeralcontainers", "finalize", "resize"].includes(route.subresource) ||
    (route.subresource === "status" && hasStatus(resource))
  );
}
