// `virtual-kubelet why POD`.
import type { Invocation } from "./run.ts";
export function why(input: Invocation): Promise<number> {
  return Promise.resolve(input.usage("not yet"));
}
