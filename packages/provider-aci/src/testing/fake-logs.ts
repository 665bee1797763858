// Logs as the cloud gives them: the present run alone, the end of it.
import type { RunningGroup } from "@virtual-kubelet/virtual-kubelet/testing";
import type { FakeReply } from "./fake-refusal.ts";

/** `since`: epoch milliseconds of the end of the run before. `kept`: lines that the cloud keeps. */
export async function logsOf(
  running: RunningGroup,
  container: string,
  since: number,
  query: URLSearchParams,
  kept: number,
): Promise<FakeReply> {
  const before = BigInt(since) * 1_000_000n;
  const lines = (await running.logs(container)).filter((line) => line.time > before).slice(-kept);
  const tail = Number(query.get("tail") ?? 0);
  const wanted = tail > 0 ? lines.slice(-tail) : lines;
  const withTimes = query.get("timestamps") === "true";
  const content = wanted.map(({ time, text }) => `${withTimes ? `${nanoTime(time)} ` : ""}${text}\n`).join("");
  return { status: 200, body: { content }, model: "Logs" };
}

function nanoTime(time: bigint): string {
  const seconds = new Date(Number(time / 1_000_000_000n) * 1000).toISOString().slice(0, 19);
  return `${seconds}.${String(time % 1_000_000_000n).padStart(9, "0")}Z`;
}
