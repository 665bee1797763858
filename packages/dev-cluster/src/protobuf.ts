// Documents in the API's protobuf form, which kubectl sends when it makes objects by itself. Read only: answers are JSON.
import { apiData, schemaName } from "./api-data.ts";
import { badRequest } from "./api-error.ts";
import { isObject, type Json, type JsonObject, object, parseJson } from "./json.ts";

const magic = Buffer.from("k8s\0");

/** Throws BadRequest for what is no such document. */
export function decodeProtobuf(body: Buffer): JsonObject {
  if (!body.subarray(0, 4).equals(magic)) throw badRequest("provided data does not appear to be a protobuf message");
  let typeMeta: Buffer = Buffer.alloc(0);
  let raw: Buffer = Buffer.alloc(0);
  for (const { number, bytes } of fieldsOf(body.subarray(4))) {
    if (number === 1) typeMeta = bytes;
    else if (number === 2) raw = bytes;
  }
  const names = fieldsOf(typeMeta).map(({ number, bytes }): [number, string] => [number, bytes.toString()]);
  const { 1: apiVersion = "", 2: kind = "" }: Record<number, string> = Object.fromEntries(names);
  const schema = schemaName(apiVersion, kind);
  if (schema === "")
    throw badRequest(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
  return { apiVersion, kind, ...object(decode(raw, schema)) };
}

interface Field {
  readonly number: number;
  /** Of length-delimited fields; empty otherwise. */
  readonly bytes: Buffer;
  /** Of the others. */
  readonly value: bigint;
}

function fieldsOf(bytes: Buffer): readonly Field[] {
  const fields: Field[] = [];
  let offset = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[offset++];
      if (byte === undefined) throw badRequest("unexpected EOF");
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, value);
    }
    throw badRequest("proto: integer overflow");
  };
  const take = (length: number): Buffer => {
    if (length < 0 || offset + length > bytes.length) throw badRequest("unexpected EOF");
    offset += length;
    return bytes.subarray(offset - length, offset);
  };
  const none = Buffer.alloc(0);
  while (offset < bytes.length) {
    const tag = Number(varint());
    const number = tag >> 3;
    const type = tag & 7;
    if (type === 0) fields.push({ number, bytes: none, value: varint() });
    else if (type === 2) fields.push({ number, bytes: take(Number(varint())), value: 0n });
    else if (type === 1) fields.push({ number, bytes: none, value: take(8).readBigUInt64LE() });
    else if (type === 5) fields.push({ number, bytes: none, value: BigInt(take(4).readUInt32LE()) });
    else throw badRequest(`proto: illegal wireType ${type}`);
  }
  return fields;
}

/** Those that are no objects in JSON. */
const special: Readonly<Record<string, (fields: readonly Field[]) => Json | undefined>> = {
  Time: (fields) => timeOf(fields, 0),
  MicroTime: (fields) => timeOf(fields, 6),
  Quantity: (fields) => fields.find(({ number }) => number === 1)?.bytes.toString(),
  Duration: (fields) => `${Number(numberAt(fields, 1)) / 1e9}s`,
  IntOrString: (fields) =>
    numberAt(fields, 1) === 1n
      ? fields.find(({ number }) => number === 3)?.bytes.toString()
      : Number(numberAt(fields, 2)),
  // A message in protobuf, a list in JSON.
  ExtraValue: (fields) => fields.filter(({ number }) => number === 1).map(({ bytes }) => bytes.toString()),
  FieldsV1: embedded,
  RawExtension: embedded,
};

function numberAt(fields: readonly Field[], number: number): bigint {
  return fields.find((each) => each.number === number)?.value ?? 0n;
}

function timeOf(fields: readonly Field[], digits: number): string | undefined {
  if (fields.length === 0) return undefined;
  const iso = new Date(Number(numberAt(fields, 1)) * 1000).toISOString();
  const fraction = `${numberAt(fields, 2)}`.padStart(9, "0").slice(0, digits);
  return iso.replace(/\.\d+Z$/, digits === 0 ? "Z" : `.${fraction}Z`);
}

function embedded(fields: readonly Field[]): Json | undefined {
  const raw = fields.find(({ number }) => number === 1)?.bytes;
  return raw === undefined || raw.length === 0 ? undefined : parseJson(raw.toString());
}

function decode(bytes: Buffer, schema: string, depth = 0): Json | undefined {
  if (depth > 100) throw badRequest("proto: nested too deeply");
  const fields = fieldsOf(bytes);
  const converted = special[schema.split(".").at(-1) ?? ""];
  if (converted !== undefined) return converted(fields);
  const message = apiData().messages[schema] ?? {};
  const known = object(apiData().schemas, schema, "properties");
  // Types that are only ever embedded have none.
  const hasSchema = Object.keys(known).length > 0;
  const result: Record<string, Json> = {};
  for (const field of fields) {
    const described = message[field.number];
    if (described === undefined) continue;
    const [name, type, kind] = described;
    if (kind === "{}") {
      const [key, value] = entryOf(field.bytes, type, depth);
      result[name] = { ...object(result[name]), [key]: value ?? "" };
      continue;
    }
    const value = scalar(field, type) ?? decode(field.bytes, type, depth + 1);
    if (kind === "[]") {
      const before = result[name];
      result[name] = [...(Array.isArray(before) ? before : []), value ?? null];
    } else if (hasSchema && known[name] === undefined && isObject(value)) {
      // What is embedded in Go stands beside the others in JSON.
      Object.assign(result, value);
    } else if (value !== undefined && (kind === "*" || !isZero(value))) {
      result[name] = value;
    }
  }
  return result;
}

function scalar({ bytes, value }: Field, type: string): Json | undefined {
  switch (type) {
    case "string":
      return bytes.toString();
    case "bytes":
      return bytes.toString("base64");
    case "bool":
      return value !== 0n;
    case "int32":
    case "int64":
    case "uint32":
    case "uint64":
      return Number(value);
    case "double": {
      const buffer = Buffer.alloc(8);
      buffer.writeBigUInt64LE(BigInt.asUintN(64, value));
      return buffer.readDoubleLE();
    }
    default:
      return undefined;
  }
}

function isZero(value: Json): boolean {
  return value === "" || value === 0 || value === false || (isObject(value) && Object.keys(value).length === 0);
}

function entryOf(bytes: Buffer, type: string, depth: number): readonly [string, Json | undefined] {
  let key = "";
  let value: Json | undefined;
  for (const field of fieldsOf(bytes)) {
    if (field.number === 1) key = field.bytes.toString();
    else value = scalar(field, type) ?? decode(field.bytes, type, depth + 1);
  }
  return [key, value];
}
