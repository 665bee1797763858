// Documents in the API's protobuf form, which kubectl sends when it makes objects by itself. Read only: answers are JSON.
import { apiData, schemaName } from "./api-data.ts";
import { badRequest } from "./api-error.ts";
import { isList, isObject, type Json, type JsonObject, object, parseJson } from "./json.ts";

const magic = Buffer.from("k8s\0");

/** Throws BadRequest for what is no such document. */
export function decodeProtobuf(body: Buffer): JsonObject {
  if (!body.subarray(0, 4).equals(magic)) throw badRequest("provided data does not appear to be a protobuf message");
  const envelope = fieldsOf(body.subarray(4));
  const typeMeta = fieldsOf(bytesAt(envelope, 1));
  const [apiVersion, kind] = [`${bytesAt(typeMeta, 1)}`, `${bytesAt(typeMeta, 2)}`];
  const schema = schemaName(apiVersion, kind);
  if (schema === "")
    throw badRequest(`no kind ${JSON.stringify(kind)} is registered for version ${JSON.stringify(apiVersion)}`);
  return { apiVersion, kind, ...object(decode(bytesAt(envelope, 2), schema, 0)) };
}

const empty = Buffer.alloc(0);

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
  while (offset < bytes.length) {
    const tag = Number(varint());
    const [number, type] = [tag >> 3, tag & 7];
    if (type === 0) fields.push({ number, bytes: empty, value: varint() });
    else if (type === 2) fields.push({ number, bytes: take(Number(varint())), value: 0n });
    // Nothing in the API has one of the others.
    else throw badRequest(`proto: illegal wireType ${type}`);
  }
  return fields;
}

/** Of the last one: that is the one that counts. */
function bytesAt(fields: readonly Field[], number: number): Buffer {
  return fields.findLast((each) => each.number === number)?.bytes ?? empty;
}

function numberAt(fields: readonly Field[], number: number): number {
  return Number(fields.findLast((each) => each.number === number)?.value ?? 0n);
}

/** Those that are no objects in JSON. */
const special: Readonly<Record<string, (fields: readonly Field[]) => Json | undefined>> = {
  Time: (fields) => timeOf(fields, 0),
  MicroTime: (fields) => timeOf(fields, 6),
  Quantity: (fields) => `${bytesAt(fields, 1)}`,
  Duration: (fields) => `${numberAt(fields, 1) / 1e9}s`,
  IntOrString: (fields) => (numberAt(fields, 1) === 1 ? `${bytesAt(fields, 3)}` : numberAt(fields, 2)),
  // A message in protobuf, a list in JSON.
  ExtraValue: (fields) => fields.filter(({ number }) => number === 1).map(({ bytes }) => `${bytes}`),
  FieldsV1: embedded,
  RawExtension: embedded,
};

function timeOf(fields: readonly Field[], digits: number): string | undefined {
  if (fields.length === 0) return undefined;
  const iso = new Date(numberAt(fields, 1) * 1000).toISOString();
  const fraction = `${numberAt(fields, 2)}`.padStart(9, "0").slice(0, digits);
  return iso.replace(/\.\d+Z$/, digits === 0 ? "Z" : `.${fraction}Z`);
}

function embedded(fields: readonly Field[]): Json | undefined {
  const raw = `${bytesAt(fields, 1)}`;
  return raw === "" ? undefined : parseJson(raw);
}

function decode(bytes: Buffer, schema: string, depth: number): Json | undefined {
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
    const before = result[name];
    if (kind === "{}") {
      const entry = fieldsOf(field.bytes);
      const value = entry.find(({ number }) => number === 2);
      const decoded = value === undefined ? undefined : decodeField(value, type, depth);
      result[name] = { ...object(before), [`${bytesAt(entry, 1)}`]: decoded ?? "" };
      continue;
    }
    const value = decodeField(field, type, depth);
    if (kind === "[]") result[name] = [...(isList(before) ? before : []), value ?? null];
    // What is embedded in Go stands beside the others in JSON.
    else if (hasSchema && known[name] === undefined && isObject(value)) Object.assign(result, value);
    else if (value !== undefined && (kind === "*" || !isZero(value))) result[name] = value;
  }
  return result;
}

function decodeField({ bytes, value }: Field, type: string, depth: number): Json | undefined {
  switch (type) {
    case "string":
      return `${bytes}`;
    case "bytes":
      return bytes.toString("base64");
    case "bool":
      return value !== 0n;
    case "int32":
    case "int64":
      return Number(value);
    default:
      return decode(bytes, type, depth + 1);
  }
}

function isZero(value: Json): boolean {
  return value === "" || value === 0 || value === false || (isObject(value) && Object.keys(value).length === 0);
}
