// `virtual-kubelet doctor POD`.
import type { Invocation } from "./run.ts";
export function doctor(input: Invocation): Promise<number> {
  return Promise.resolve(input.usage("not yet"));
}
