// The scenarios of pods that any provider with containers must play as a kubelet does, end to end: a real control plane, the program, and
// the whole history of each pod's status as the API server showed it. node:test tests.
import { after, before, describe } from "node:test";
import { SemanticsBench } from "./semantics-bench.ts";
import { changesSemantics } from "./semantics-changes.ts";
import { endingSemantics } from "./semantics-ending.ts";
import { probesSemantics } from "./semantics-probes.ts";
import { infeasibleResizeSemantics, resizeSemantics } from "./semantics-resize.ts";
import { startSemantics } from "./semantics-start.ts";
import { type SemanticsHost, type SemanticsSubject, startSemanticsHost } from "./semantics-subject.ts";

export interface SemanticsOptions {
  /** Makes what the scenarios run on. Containers must be on this machine, and share a directory with it. */
  readonly open: (host: SemanticsHost) => Promise<SemanticsSubject>;
  /** Whether the provider changes resources of running containers: whether it has the capability "resize". */
  readonly resize: boolean;
  /** Default: all. */
  readonly parts?: readonly SemanticsPart[] | undefined;
}

export type SemanticsPart = "start" | "ending" | "changes" | "probes" | "resize";

/** Registers the scenarios under `name`. Each takes as long as a kubelet would: some minutes for all. Nothing is skipped. */
export function providerSemantics(name: string, options: SemanticsOptions): void {
  const parts: Readonly<Record<SemanticsPart, (current: () => SemanticsBench) => void>> = {
    start: startSemantics,
    ending: endingSemantics,
    changes: changesSemantics,
    probes: probesSemantics,
    resize: options.resize ? resizeSemantics : infeasibleResizeSemantics,
  };
  describe(`pods of ${name}`, () => {
    let bench: SemanticsBench | undefined;
    before(async () => {
      const host = await startSemanticsHost();
      let subject: SemanticsSubject;
      try {
        subject = await options.open(host);
      } catch (error) {
        await host[Symbol.asyncDispose]();
        throw error;
      }
      bench = await SemanticsBench.start(subject, host);
    });
    after(() => bench?.[Symbol.asyncDispose]());
    const current = (): SemanticsBench => {
      if (bench === undefined) throw new Error("the bench did not start");
      return bench;
    };
    for (const part of options.parts ?? (["start", "ending", "changes", "probes", "resize"] as const))
      parts[part](current);
  });
}
