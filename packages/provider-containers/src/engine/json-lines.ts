// Objects one after the other, each on its line, as engines stream events and the progress of pulls.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";

/** An event of a container carries all its labels. */
const longestLine = 4 * 1024 * 1024;

/** Lines that are no JSON are left out. Throws Unavailable on one that has no end. */
export async function* jsonLines(from: AsyncIterable<unknown>): AsyncGenerator<unknown, undefined> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of from) {
    if (!(chunk instanceof Uint8Array)) continue;
    const lines = `${rest}${decoder.decode(chunk, { stream: true })}`.split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > longestLine)
      throw new VirtualKubeletError("Unavailable", `the engine sent a line longer than ${longestLine} characters`);
    for (const line of lines) yield* parsed(line);
  }
  yield* parsed(rest);
  return undefined;
}

function parsed(line: string): readonly unknown[] {
  if (line.trim() === "") return [];
  try {
    return [JSON.parse(line)];
  } catch {
    return [];
  }
}
