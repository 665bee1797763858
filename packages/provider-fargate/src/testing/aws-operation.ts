// One operation of a fake service: a request of the SDK's shape in, an answer of the SDK's shape out, both checked.
import type { RunTask$ } from "@aws-sdk/client-ecs";
import { refusal } from "./aws-refusal.ts";
import { convert } from "./wire-schema.ts";

/** As the SDK's clients export them: `RunTask$`. */
type OperationSchema = typeof RunTask$;

export interface CallContext {
  readonly signal: AbortSignal;
}

/** JSON to JSON. Throws refusals; an Error that is none for an answer that the SDK has no shape for. */
export type Operation = (request: unknown, call: CallContext) => Promise<unknown>;

export interface Service {
  /** Of X-Amz-Target before its dot: "AmazonEC2ContainerServiceV20141113". */
  readonly target: string;
  /** "ecs", as in a signature's scope. */
  readonly name: string;
  readonly operations: Readonly<Record<string, Operation>>;
}

export function operation<Input, Output extends object>(
  schema: OperationSchema,
  work: (input: Input, call: CallContext) => Output | Promise<Output>,
): Operation {
  const [, , name, , input, output] = schema;
  return async (request, call) => {
    const { value, faults } = convert(input, request, "fromWire");
    if (!isChecked<Input>(value, faults)) throw refusal("SerializationException", `${name}: ${faults.join("; ")}`);
    const answer = await work(value, call);
    const wire = convert(output, answer, "toWire");
    if (wire.faults.length > 0) throw new Error(`the fake's answer to ${name} is none: ${wire.faults.join("; ")}`);
    return wire.value;
  };
}

/** The shape has been walked: a value without faults has the type that the SDK has for the shape. */
function isChecked<T>(_value: unknown, faults: readonly string[]): _value is T {
  return faults.length === 0;
}
