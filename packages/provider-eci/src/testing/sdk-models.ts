// The models of the vendor's own SDK (API version 2018-08-08): what parameters and answers there are, by name on the wire.
import * as sdk from "@alicloud/eci20180808";

export type FieldType =
  | { readonly kind: "string" | "number" | "boolean" | "any" }
  | { readonly kind: "list"; readonly item: FieldType }
  | { readonly kind: "model"; readonly model: SdkModel };

export interface SdkModel {
  readonly name: string;
  /** By name on the wire. */
  readonly fields: ReadonlyMap<string, FieldType>;
}

const text: FieldType = { kind: "string" };

/** What the vendor's newer SDKs (2.1.0 for Python) know besides, by model. */
const addedFields: Readonly<Record<string, Readonly<Record<string, FieldType>>>> = {
  CreateContainerGroupRequest: { GpuDriverVersion: text, ComputeCategory: { kind: "list", item: text } },
  CreateContainerGroupRequestContainer: { SecurityContextPrivileged: { kind: "boolean" } },
  DescribeContainerGroupsRequest: { ComputeCategory: text, SecurityGroupId: text },
  DescribeContainerGroupsResponseBodyContainerGroups: { ComputeCategory: text },
};

interface ModelClass {
  readonly name: string;
  names(): Readonly<Record<string, string>>;
  types(): Readonly<Record<string, unknown>>;
}

function isModelClass(value: unknown): value is ModelClass {
  return (
    typeof value === "function" &&
    typeof Reflect.get(value, "names") === "function" &&
    typeof Reflect.get(value, "types") === "function"
  );
}

const models = new Map<ModelClass, SdkModel>();

function modelOf(from: ModelClass): SdkModel {
  const known = models.get(from);
  if (known !== undefined) return known;
  const fields = new Map<string, FieldType>(Object.entries(addedFields[from.name] ?? {}));
  const model = { name: from.name, fields };
  models.set(from, model);
  const types = from.types();
  for (const [property, name] of Object.entries(from.names()))
    fields.set(name, fieldType(types[property], `${from.name}.${property}`));
  return model;
}

function fieldType(type: unknown, where: string): FieldType {
  if (type === "string" || type === "number" || type === "boolean" || type === "any") return { kind: type };
  if (isModelClass(type)) return { kind: "model", model: modelOf(type) };
  if (typeof type === "object" && type !== null) {
    const kind: unknown = Reflect.get(type, "type");
    if (kind === "array") return { kind: "list", item: fieldType(Reflect.get(type, "itemType"), where) };
    if (kind === "map") return { kind: "any" };
  }
  throw new Error(`the SDK has a type that is not known: ${where}: ${JSON.stringify(type)}`);
}

const classes = new Map<string, ModelClass>(
  Object.values(sdk).flatMap((each: unknown) => (isModelClass(each) ? [[each.name, each] as const] : [])),
);

/** "CreateContainerGroupRequest". Undefined: the SDK has none. */
export function sdkModel(name: string): SdkModel | undefined {
  const found = classes.get(name);
  return found === undefined ? undefined : modelOf(found);
}
