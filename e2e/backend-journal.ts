// What a mock backend in a process of its own was asked for, by its own account.
import { get } from "node:http";
import type { JournalEntry } from "../packages/virtual-kubelet/src/providers/mock/backend-server.ts";

/** Fails when the backend does not answer within a minute. */
export function readJournal(socketPath: string): Promise<readonly JournalEntry[]> {
  const { promise, resolve, reject } = Promise.withResolvers<readonly JournalEntry[]>();
  get({ socketPath, path: "/journal", signal: AbortSignal.timeout(60_000) }, (response) => {
    let text = "";
    response.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    response.once("end", () => resolve(JSON.parse(text))).once("error", reject);
  }).once("error", reject);
  return promise;
}
