// /openapi/v2 in the protobuf form that kubectl insists on for Lists: only which kinds can be patched, and that writes take
// fieldValidation and dryRun. Whoever reads that leaves validation to the server.
import { apiData, type Resource } from "./api-data.ts";

export const protobufType = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

export function openApiProtobuf(served: readonly Resource[]): Buffer {
  return Buffer.concat([
    field(1, "2.0"),
    field(2, field(1, "Kubernetes"), field(2, apiData().gitVersion)),
    field(8, ...served.filter(({ verbs }) => verbs.includes("patch")).map(pathOf)),
  ]);
}

/** A length-delimited field: a string, or a message of these parts. */
function field(number: number, ...parts: readonly (Buffer | string)[]): Buffer {
  const content = Buffer.concat(parts.map((part) => Buffer.from(part)));
  return Buffer.concat([varint((number << 3) | 2), varint(content.length), content]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let left = value;
  for (; left > 0x7f; left = Math.floor(left / 128)) bytes.push((left & 0x7f) | 0x80);
  return Buffer.from([...bytes, left]);
}

/** Numbers are those of gnostic's messages: NamedPathItem, PathItem, Operation, Parameter, NamedAny. */
function pathOf({ group, version, kind, apiVersion, namespaced, name }: Resource): Buffer {
  const root = group === "" ? `/api/${apiVersion}` : `/apis/${apiVersion}`;
  const path = `${root}${namespaced ? "/namespaces/{namespace}" : ""}/${name}/{name}`;
  const parameters = ["dryRun", "fieldManager", "fieldValidation", "force"].map((each) =>
    field(8, field(1, field(2, field(3, field(2, "query"), field(4, each))))),
  );
  const kindOf = `group: "${group}"\nkind: ${kind}\nversion: ${version}\n`;
  const extension = field(13, field(1, "x-kubernetes-group-version-kind"), field(2, field(2, kindOf)));
  const patch = field(8, field(5, `patch${kind}`), ...parameters, extension);
  return field(2, field(1, path), field(2, patch));
}
