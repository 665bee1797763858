// In which form objects are given back: as they are, their metadata alone, or as rows of a table.
import { ApiError } from "./api-error.ts";
import type { ResourceCall } from "./call.ts";
import { type Json, type JsonObject, object, put } from "./json.ts";
import { cellsOf } from "./table-cells.ts";
import { shownBy } from "./versions.ts";

export interface Representation {
  /** `withColumns`: a watch says the columns of its table once. Default: true. */
  one(kept: JsonObject, withColumns?: boolean): JsonObject;
  list(items: readonly JsonObject[], metadata: JsonObject): JsonObject;
  /** An object of a watch that is none. */
  bookmark(metadata: JsonObject): JsonObject;
}

const meta = "meta.k8s.io/v1";

/** The first of the Accept header that is here. Throws 406 where there is none. */
export function representationOf({ resource, accept, route }: ResourceCall, now: () => number): Representation {
  const { kind, apiVersion } = resource;
  const form = formOf(accept);
  if (form === "Table") return tableOf(resource, route.query.get("includeObject"), now);
  if (form !== "")
    return {
      one: partial,
      list: (items, metadata) => ({
        kind: "PartialObjectMetadataList",
        apiVersion: meta,
        metadata,
        items: items.map(partial),
      }),
      bookmark: (metadata) => partial({ metadata }),
    };
  return {
    one: (kept) => shownBy(resource, kept),
    list: (items, metadata) => {
      const bare = items.map((each) =>
        put(put(shownBy(resource, each), ["kind"], undefined), ["apiVersion"], undefined),
      );
      return { kind: `${kind}List`, apiVersion, metadata, items: bare };
    },
    bookmark: (metadata) => ({ kind, apiVersion, metadata }),
  };
}

/** "" for objects as they are. */
function formOf(accept: string): string {
  for (const each of (accept.trim() || "*/*").split(",")) {
    const [type = "", ...parameters] = each.split(";").map((part) => part.trim());
    const form = parameters.find((part) => part.startsWith("as="))?.slice(3) ?? "";
    const isJson = ["application/json", "application/*", "*/*"].includes(type);
    if (isJson && ["", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"].includes(form)) return form;
  }
  throw new ApiError(406, "NotAcceptable", "only the following media types are accepted: application/json");
}

function partial(kept: JsonObject): JsonObject {
  return { kind: "PartialObjectMetadata", apiVersion: meta, metadata: object(kept, "metadata") };
}

function tableOf(resource: ResourceCall["resource"], include: string | null, now: () => number): Representation {
  const columns = resource.columns.map((each) => ({ ...each }));
  const table = (columnDefinitions: readonly Json[], metadata: JsonObject, rows: readonly Json[]): JsonObject => ({
    kind: "Table",
    apiVersion: meta,
    metadata,
    columnDefinitions,
    rows,
  });
  const row = (kept: JsonObject): JsonObject => {
    const cells = cellsOf(resource, kept, now());
    if (include === "None") return { cells };
    return { cells, object: include === "Object" ? shownBy(resource, kept) : partial(kept) };
  };
  return {
    one: (kept, withColumns = true) => {
      const metadata = { resourceVersion: object(kept, "metadata")["resourceVersion"] };
      return table(withColumns ? columns : [], metadata, [row(kept)]);
    },
    list: (items, metadata) => table(columns, metadata, items.map(row)),
    bookmark: (metadata) => table([], metadata, [{ cells: [], object: partial({ metadata }) }]),
  };
}
