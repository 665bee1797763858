// POST, PUT, PATCH and DELETE of objects and collections.
import type { Answer, WriteOptions } from "./access.ts";
import { type Api, requireName, subjectOf } from "./api.ts";
import { ApiError, badRequest } from "./api-error.ts";
import { apply } from "./apply.ts";
import { documentOf, namespaceOf, type ResourceCall, writeOptions } from "./call.ts";
import { type DeleteRequest, deleteRequest } from "./deletion.ts";
import { isObject, type Json, type JsonObject, merge, put, text } from "./json.ts";
import { jsonPatch, mergePatch } from "./patches.ts";
import type { Reading } from "./reading.ts";
import { representationOf } from "./representation.ts";
import { namedSchema } from "./schema.ts";
import { strategicMergeObject } from "./strategic-merge.ts";

export async function create(api: Api, call: ResourceCall): Promise<Answer> {
  const { resource } = call;
  const document = await documentOf(call);
  return { code: 201, body: shown(api, call, api.create(resource, namespaceOf(call), document, writeOptions(call))) };
}

export async function update(api: Api, call: ResourceCall): Promise<Answer> {
  const { resource, route } = call;
  const document = await documentOf(call);
  if (!isObject(document)) throw badRequest("expected an object");
  const before = api.store.get(resource.key, namespaceOf(call), route.name);
  const change = { subresource: route.subresource, to: () => document };
  const kept = api.update(resource, namespaceOf(call), route.name, change, writeOptions(call));
  return { code: before === undefined ? 201 : 200, body: shown(api, call, kept) };
}

/** What a patch makes of an object, by the type of the patch. Throws 415 for types that there are not. */
export async function patcher(call: ResourceCall, schema: string): Promise<(current: JsonObject) => JsonObject> {
  const type = call.contentType.split(";")[0]?.trim() ?? "";
  const patch = await documentOf(call);
  switch (type) {
    case "application/json-patch+json":
      return (current) => jsonPatch(current, patch);
    case "application/merge-patch+json":
      return (current) => objectOf(mergePatch(current, patch));
    case "application/strategic-merge-patch+json":
      return (current) => strategicMergeObject(current, objectOf(patch), namedSchema(schema));
    default: {
      throw new ApiError(415, "UnsupportedMediaType", "415: Unsupported Media Type", {});
    }
  }
}

export async function patch(api: Api, call: ResourceCall): Promise<Answer> {
  const { resource, route } = call;
  const { subresource, name } = route;
  const options = writeOptions(call);
  const namespace = namespaceOf(call);
  const isApplied = call.contentType.startsWith("application/apply-patch");
  const to = isApplied ? await applier(api, call, options) : await patcher(call, resource.schema);
  if (isApplied && subresource === "" && api.store.get(resource.key, namespace, name) === undefined) {
    const applied = to({});
    requireName({ name }, applied);
    const made = put(applied, ["metadata", "name"], name);
    return { code: 201, body: shown(api, call, api.createInstead(resource, namespace, name, made, options)) };
  }
  const kept = api.update(resource, namespace, name, { subresource, to, isPatch: true }, options);
  return { code: 200, body: shown(api, call, kept) };
}

async function applier(
  api: Api,
  call: ResourceCall,
  { fieldManager: manager }: WriteOptions,
): Promise<(current: JsonObject) => JsonObject> {
  const { resource, route } = call;
  const { subresource } = route;
  const document = objectOf(await documentOf(call));
  const force = route.query.get("force") === "true";
  return (current) => apply({ resource, current, document, manager, force, subresource, time: api.now() });
}

export async function remove(api: Api, call: ResourceCall): Promise<Answer> {
  const { resource, route } = call;
  const request = await deletionOf(call);
  const options = { ...writeOptions(call), dryRun: request.dryRun === true };
  const { object: last, gone } = api.delete(resource, namespaceOf(call), route.name, request, options);
  if (!gone || resource.isShownWhenGone) return { code: 200, body: shown(api, call, last) };
  const uid = text(last, "metadata", "uid");
  const details = merge({ ...subjectOf(resource, route.name) }, [], { group: resource.group || undefined, uid });
  return { code: 200, body: { kind: "Status", apiVersion: "v1", metadata: {}, status: "Success", details } };
}

export async function removeCollection(api: Api, reading: Reading, call: ResourceCall): Promise<Answer> {
  const request = await deletionOf(call);
  const options = { ...writeOptions(call), dryRun: request.dryRun === true };
  const last = reading.matching(call).map((each) => {
    const [namespace, name] = [text(each, "metadata", "namespace"), text(each, "metadata", "name")];
    return api.delete(call.resource, namespace, name, request, options).object;
  });
  const metadata = { resourceVersion: `${api.store.revision}` };
  return { code: 200, body: representationOf(call, api.now).list(last, metadata) };
}

const jobWarning =
  "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove them or set propagationPolicy=Orphan to suppress this warning";

/** Kinds that are older than garbage collection leave theirs, where nothing else is said. */
async function deletionOf(call: ResourceCall): Promise<DeleteRequest> {
  const request = deleteRequest(call.body.length === 0 ? undefined : await documentOf(call), call.route.query);
  const { key } = call.resource;
  const isOld = key === "jobs.batch" || key === "replicationcontrollers";
  if (!isOld || request.propagationPolicy !== undefined) return request;
  if (key === "jobs.batch") call.warn(jobWarning);
  return { ...request, propagationPolicy: "Orphan" };
}

function shown(api: Api, call: ResourceCall, kept: JsonObject): JsonObject {
  return representationOf(call, api.now).one(kept);
}

function objectOf(value: Json): JsonObject {
  if (!isObject(value)) throw badRequest("expected an object");
  return value;
}
