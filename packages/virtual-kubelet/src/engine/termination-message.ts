// The message that a container leaves at its end: its file or, where that is wished and empty, the end of its log.
import type { CallContext } from "../provider.ts";
import { cappedText } from "../status/text-and-time.ts";
import type { ContainerRuntime, RuntimeContainer } from "./container-runtime.ts";
import { refOf } from "./plan-kill.ts";

/** Bytes of one message, of all messages of a pod together, and of one taken from the log. */
const largest = 4096;
const largestOfPod = 12 * 1024;
const largestFromLog = 2048;
const linesFromLog = 80;
/** Read of a log that does not heed the limit of lines. */
const largestRead = 1024 * 1024;

export async function terminationMessage(
  runtime: ContainerRuntime,
  run: RuntimeContainer,
  options: { readonly policy: string | undefined; readonly containers: number },
  context: CallContext,
): Promise<string> {
  const share = Math.min(largest, Math.floor(largestOfPod / Math.max(1, options.containers)));
  const text = await runtime.terminationMessage(refOf(run), context);
  if (text !== "") return cappedText(text, share);
  if (options.policy !== "FallbackToLogsOnError" || run.exitCode === 0) return "";
  return cappedEnd(await endOfLog(runtime, run, context), Math.min(share, largestFromLog));
}

async function endOfLog(runtime: ContainerRuntime, run: RuntimeContainer, context: CallContext): Promise<string> {
  const log = await runtime.logs(refOf(run), { tailLines: linesFromLog }, context);
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of log.data) {
    chunks.push(chunk);
    size += chunk.length;
    while (size - (chunks[0]?.length ?? 0) > largestRead) size -= chunks.shift()?.length ?? 0;
  }
  const lines =
    Buffer.concat(chunks)
      .toString("utf8")
      .match(/[^\n]*\n|[^\n]+$/g) ?? [];
  return lines
    .slice(-linesFromLog)
    .map((line) => lineText(line, log.format))
    .join("");
}

/** Of a line with its time, or of a CRI line, what the container wrote. */
function lineText(line: string, format: "plain" | "timestamped" | "cri"): string {
  if (format === "plain") return line;
  if (format === "timestamped") return line.slice(line.indexOf(" ") + 1);
  const found = /^\S+ \S+ (\S+) ([^\n]*\n?)$/.exec(line);
  const text = found?.[2] ?? line;
  return found?.[1]?.startsWith("P") === true ? text.replace(/\n$/, "") : text;
}

function cappedEnd(text: string, bytes: number): string {
  const encoded = Buffer.from(text, "utf8");
  if (encoded.length <= bytes) return text;
  let start = encoded.length - bytes;
  while (start < encoded.length && ((encoded[start] ?? 0) & 0xc0) === 0x80) start++;
  return encoded.toString("utf8", start);
}
