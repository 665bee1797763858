// Where a handler's host and port lead: the pod's own address unless named, ports by number or by name. Pure.
import { VirtualKubeletError } from "../errors.ts";
import type { IntOrString } from "../kube/types.gen.ts";
import type { RunTarget } from "./probe-results.ts";

/** Throws Invalid for a name that no port of the container bears, and for numbers that are no ports. */
export function portOf(port: IntOrString, { container }: Pick<RunTarget, "container">): number {
  const number = typeof port === "number" ? port : (named(port, container.ports ?? []) ?? digits(port));
  if (number > 0 && number < 65_536) return number;
  throw new VirtualKubeletError("Invalid", `invalid port number: ${number}`);
}

function named(name: string, ports: readonly { readonly name?: string; readonly containerPort: number }[]) {
  return ports.find((port) => port.name === name)?.containerPort;
}

function digits(text: string): number {
  if (/^[+-]?\d+$/.test(text)) return Number(text);
  throw new VirtualKubeletError("Invalid", `strconv.Atoi: parsing ${JSON.stringify(text)}: invalid syntax`);
}

/** Throws Unavailable while the pod has no address: without one the machine of this program itself would be dialled. */
export function hostOf(host: string | undefined, { podIPs }: Pick<RunTarget, "podIPs">): string {
  const found = host === undefined || host === "" ? podIPs[0] : host;
  if (found === undefined || found === "")
    throw new VirtualKubeletError("Unavailable", "the pod has no IP address yet");
  return found;
}
