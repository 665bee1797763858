// Ends of the logs of runs that are over while their containers wait for the next: from then on the cloud has the log of that one alone.
import { errorText, type Logger, silentLogger } from "@virtual-kubelet/virtual-kubelet";
import type { CloudGroup } from "@virtual-kubelet/virtual-kubelet/cloud";
import type { AciClient } from "./arm-client.ts";

export interface EndedLogsOptions {
  readonly client: Pick<AciClient, "listLogs">;
  readonly log?: Logger | undefined;
}

const mostLines = 200;
const mostCharacters = 32 * 1024;
const mostKept = 256;
const mostAtOnce = 4;
/** Between the clocks of a container's end and of its lines. */
const slackMs = 1000;

export class EndedLogs implements AsyncDisposable {
  readonly #options: EndedLogsOptions;
  /** By pod, container and run; undefined while it is read. */
  readonly #kept = new Map<string, string | undefined>();
  readonly #underWay = new Set<Promise<void>>();
  readonly #end: AbortController = new AbortController();

  constructor(options: EndedLogsOptions) {
    this.#options = options;
  }

  /** Has what ended lately read, once each. Returns at once. `name`: of the group. */
  seen(group: CloudGroup, name: string): void {
    if (group.stage === "ended" || group.stage === "ending") return;
    for (const { name: container, state, lastState, restartCount = 0 } of group.containers) {
      const { finishedAt } = lastState?.terminated ?? {};
      const key = keyOf(group.owner.uid, container, restartCount);
      if (state.waiting === undefined || finishedAt === undefined || this.#kept.has(key)) continue;
      if (this.#underWay.size >= mostAtOnce) continue;
      this.#keep(key, undefined);
      const work = this.#read(key, name, container, Date.parse(finishedAt)).finally(() => this.#underWay.delete(work));
      this.#underWay.add(work);
    }
  }

  /** With times. Undefined: this program did not see it end. */
  of(uid: string, container: string, run: number): string | undefined {
    return this.#kept.get(keyOf(uid, container, run));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await Promise.all(this.#underWay);
  }

  /** Never rejects. */
  async #read(key: string, name: string, container: string, finishedAt: number): Promise<void> {
    const { client, log = silentLogger } = this.#options;
    const { signal } = this.#end;
    try {
      const call = { signal, log, urgency: "later" } as const;
      const text = await client.listLogs(name, container, { tail: mostLines, timestamps: true }, call);
      this.#keep(key, upTo(text, finishedAt + slackMs));
    } catch (error) {
      this.#kept.delete(key);
      if (!signal.aborted) log.debug({ group: name, container, err: errorText(error) }, "the log of a run is not kept");
    }
  }

  #keep(key: string, text: string | undefined): void {
    this.#kept.delete(key);
    for (const oldest of this.#kept.keys()) {
      if (this.#kept.size < mostKept) break;
      this.#kept.delete(oldest);
    }
    this.#kept.set(key, text);
  }
}

function keyOf(uid: string, container: string, run: number): string {
  return `${uid}/${container}/${run}`;
}

/** Without lines of a run that has begun meanwhile; the end of it, where it is long. */
function upTo(text: string, until: number): string {
  const lines = text.split("\n").filter((line) => line !== "" && !(Date.parse(line.split(" ", 1)[0] ?? "") > until));
  let length = 0;
  const first = lines.findLastIndex((line) => {
    length += line.length + 1;
    return length > mostCharacters;
  });
  return lines
    .slice(first + 1)
    .map((line) => `${line}\n`)
    .join("");
}
