// /openapi/v2 in the protobuf form that kubectl insists on for Lists, and for kinds that it does not know: Namespaces alone, whose
// writes take fieldValidation and dryRun. Whoever reads that leaves validation to the server.
import { apiData } from "./api-data.ts";

export const protobufType = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";

/** Numbers are those of gnostic's messages: NamedPathItem, PathItem, Operation, Parameter, NamedAny. */
export function openApiProtobuf(): Buffer {
  const parameters = ["dryRun", "fieldManager", "fieldValidation", "force"].map((each) =>
    field(8, field(1, field(2, field(3, field(2, "query"), field(4, each))))),
  );
  const kind = 'group: ""\nkind: Namespace\nversion: v1\n';
  const extension = field(13, field(1, "x-kubernetes-group-version-kind"), field(2, field(2, kind)));
  const patch = field(8, field(5, "patchNamespace"), ...parameters, extension);
  return Buffer.concat([
    field(1, "2.0"),
    field(2, field(1, "Kubernetes"), field(2, apiData().gitVersion)),
    field(8, field(2, field(1, "/api/v1/namespaces/{name}"), field(2, patch))),
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
