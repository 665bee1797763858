// In which form objects are given back: as they are, their metadata alone, or as rows of a table.
import type { Resource } from "./api-data.ts";
import { ApiError } from "./api-error.ts";
import { type Json, type JsonObject, object, put } from "./json.ts";
import { cellsOf } from "./table-cells.ts";
import { shownBy } from "./versions.ts";

export type Form = "object" | "metadata" | "table";

export interface Representation {
  readonly form: Form;
  /** includeObject of tables. */
  readonly include: "None" | "Metadata" | "Object";
}

/** The first form of an Accept header that is here. Throws 406 where there is none. */
export function representationOf(accept: string, query: URLSearchParams): Representation {
  const asked = query.get("includeObject");
  const include = asked === "None" || asked === "Object" ? asked : "Metadata";
  const wanted = accept.trim() === "" ? ["*/*"] : accept.split(",").map((each) => each.trim());
  for (const each of wanted) {
    const [type = "", ...parameters] = each.split(";").map((part) => part.trim());
    if (!["application/json", "application/*", "*/*"].includes(type)) continue;
    const as = parameters.find((part) => part.startsWith("as="))?.slice(3);
    if (as === undefined) return { form: "object", include };
    if (as === "Table") return { form: "table", include };
    if (as === "PartialObjectMetadata" || as === "PartialObjectMetadataList") return { form: "metadata", include };
  }
  const message = "only the following media types are accepted: application/json";
  throw new ApiError(406, "NotAcceptable", message);
}

export function represent(resource: Resource, kept: JsonObject, how: Representation, now: number): JsonObject {
  if (how.form === "object") return shownBy(resource, kept);
  if (how.form === "metadata") return partial(kept);
  return table(resource, [kept], how, now, {}, true);
}

/** A watch says the columns once. */
export function representWatched(
  resource: Resource,
  kept: JsonObject,
  how: Representation,
  now: number,
  isFirst: boolean,
): JsonObject {
  return how.form === "table" ? table(resource, [kept], how, now, {}, isFirst) : represent(resource, kept, how, now);
}

export function representList(
  resource: Resource,
  items: readonly JsonObject[],
  metadata: JsonObject,
  how: Representation,
  now: number,
): JsonObject {
  if (how.form === "table") return table(resource, items, how, now, metadata, true);
  if (how.form === "metadata") {
    return { kind: "PartialObjectMetadataList", apiVersion: "meta.k8s.io/v1", metadata, items: items.map(partial) };
  }
  const bare = items.map((each) => put(put(shownBy(resource, each), ["kind"], undefined), ["apiVersion"], undefined));
  return { kind: `${resource.kind}List`, apiVersion: resource.apiVersion, metadata, items: bare };
}

function partial(kept: JsonObject): JsonObject {
  return { kind: "PartialObjectMetadata", apiVersion: "meta.k8s.io/v1", metadata: object(kept, "metadata") };
}

function table(
  resource: Resource,
  items: readonly JsonObject[],
  { include }: Representation,
  now: number,
  metadata: JsonObject,
  withColumns: boolean,
): JsonObject {
  const [only] = items;
  const version = items.length === 1 && only !== undefined ? object(only, "metadata")["resourceVersion"] : undefined;
  return {
    kind: "Table",
    apiVersion: "meta.k8s.io/v1",
    metadata: Object.keys(metadata).length > 0 || version === undefined ? metadata : { resourceVersion: version },
    columnDefinitions: withColumns ? resource.columns.map((each) => ({ ...each })) : [],
    rows: items.map(
      (each): Json => ({
        cells: cellsOf(resource, each, now),
        ...(include === "None" ? {} : { object: include === "Object" ? shownBy(resource, each) : partial(each) }),
      }),
    ),
  };
}
