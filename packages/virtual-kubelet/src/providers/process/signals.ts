// Names of signals as pods have them ("SIGTERM", "TERM", "SIGRTMIN+3") in the words of the system. Pure.
import { constants } from "node:os";
import { VirtualKubeletError } from "../../errors.ts";

/** Default TERM. Throws Invalid. */
export function signalNumber(name: string | undefined): number {
  const known: Readonly<Record<string, number>> = constants.signals;
  const full = name === undefined || name === "" ? "SIGTERM" : name.startsWith("SIG") ? name : `SIG${name}`;
  const number = known[full];
  if (number !== undefined) return number;
  const realTime = /^SIGRT(MIN|MAX)(?:([+-])(\d{1,2}))?$/.exec(full);
  const offset = Number(`${realTime?.[2] ?? "+"}${realTime?.[3] ?? 0}`);
  const base = realTime?.[1] === "MIN" ? 34 : 64;
  if (realTime !== null && base + offset >= 34 && base + offset <= 64) return base + offset;
  throw new VirtualKubeletError("Invalid", `"${name}" is no signal`);
}
