// What providers on a host look at for `virtual-kubelet doctor`: may they write their state, is there room. Nothing is made.
import { accessSync, constants, existsSync } from "node:fs";
import { dirname } from "node:path";
import { errorText } from "../errors.ts";
import type { ProviderCheck } from "../provider/check.ts";
import { hostNow, type NodeConfig, nodeReport } from "./node-report.ts";

/** A directory that is made at the start: there, or in one that may be written. */
export function stateDirectoryCheck(directory: string): ProviderCheck {
  const name = "state directory";
  const there = existing(directory);
  try {
    accessSync(there, constants.W_OK | constants.X_OK);
    return { name, status: "ok", message: `${directory} ${there === directory ? "can be written" : "can be made"}` };
  } catch (error) {
    const fix = `run as a user that may, or make it for this one: install -d -m 711 -o "$(id -un)" ${directory}`;
    return { name, status: "fail", message: `${there} may not be written: ${errorText(error)}`, fix };
  }
}

/** Room for pods: what the node would be under pressure of if it started now. `directory` is where most is written. */
export function roomCheck(directory: string, config: NodeConfig): ProviderCheck {
  const { conditions = [] } = nodeReport(hostNow(existing(directory)), config);
  const short = conditions.filter(({ type, status }) => type.endsWith("Pressure") && status === "True");
  if (short.length === 0)
    return { name: "room", status: "ok", message: "enough memory, disk and process ids are free" };
  const told = short.map(({ type, message = "" }) => `${type} (${message})`).join(", ");
  const fix = "make room on this machine, or lower the thresholds under pressure in the provider's configuration";
  return { name: "room", status: "warn", message: `the node would start with ${told} and take no pods`, fix };
}

function existing(directory: string): string {
  for (let at = directory; ; at = dirname(at)) if (existsSync(at) || dirname(at) === at) return at;
}
