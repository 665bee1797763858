// The check of `doctor` on clocks: ours against the API server's, by the Date of an answer. Certificates and leases depend on it.
import { get } from "node:https";
import { errorText, VirtualKubeletError } from "../errors.ts";
import type { ClusterConfig } from "../kube/cluster-config.ts";
import { formatDuration } from "../program/duration.ts";
import { callMs, type Finding, fail, ok, skip, warn } from "./doctor-check.ts";

export async function checkClock(cluster: ClusterConfig, now: () => number): Promise<Finding> {
  if (cluster.proxyUrl !== undefined || !cluster.server.startsWith("https:"))
    return skip("the API server is behind a proxy or a socket, or speaks no TLS: its clock is not asked");
  const before = now();
  try {
    return clockFinding(await dateOf(cluster), before, now());
  } catch (error) {
    return skip(`the API server cannot be asked for its clock: ${errorText(error)}`);
  }
}

/** Pure. `date` is in whole seconds, of some moment between the other two. Epoch milliseconds. */
export function clockFinding(date: number | undefined, before: number, after: number): Finding {
  if (date === undefined) return skip("the API server's answers have no date");
  const skew = date + 1000 < before ? date + 1000 - before : date > after ? date - after : 0;
  const text = `this clock is ${formatDuration(Math.round(Math.abs(skew) / 1000) * 1000)} ${skew < 0 ? "ahead of" : "behind"} the API server's`;
  const fix = "synchronise this machine's clock: timedatectl set-ntp true, or chronyd";
  // A lease of 40 s written by a wrong clock looks old; certificates hold from a few minutes before they were made.
  if (Math.abs(skew) >= 10_000) return fail(text, fix);
  return Math.abs(skew) >= 2000 ? warn(text, fix) : ok("this clock agrees with the API server's");
}

async function dateOf({ server, tlsServerName }: ClusterConfig): Promise<number | undefined> {
  // Without credentials, and whoever answers: a clock that is wrong makes good certificates look bad.
  return new Promise((resolve, reject) => {
    const request = get(
      new URL("/version", server),
      {
        ...{ agent: false, timeout: callMs, rejectUnauthorized: false },
        ...(tlsServerName === undefined ? {} : { servername: tlsServerName }),
      },
      (response) => {
        const date = Date.parse(response.headers.date ?? "");
        response.resume();
        resolve(Number.isNaN(date) ? undefined : date);
      },
    );
    request.once("timeout", () => request.destroy(new VirtualKubeletError("Unavailable", "no answer in time")));
    request.once("error", reject);
  });
}
