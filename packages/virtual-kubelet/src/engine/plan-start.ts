// Gets one container to run, or to run again: image, create, start, postStart, with the pauses in between. Pure.
import { durationText, raised } from "./backoff.ts";
import { type ContainerView, postStartDone, stepOf } from "./container-view.ts";
import { isPullBackoff } from "./image-backoff.ts";
import type { PlanDraft } from "./plan-draft.ts";
import type { PodFacts, StartError } from "./pod-facts.ts";
import { podText } from "./pod-text.ts";
import { heldResources } from "./resize-grant.ts";
import type { RunNotes } from "./run-notes.ts";
import { hookKey, startKey } from "./task.ts";

/** The next step towards a running container, if it is to run. `granted`: with the resources that the spec asks for now. */
export function ensureRunning(view: ContainerView, facts: PodFacts, draft: PlanDraft, granted: boolean): void {
  const { of, run, state, after } = view;
  if (facts.underWay.has(startKey(of.name))) {
    draft.keep(startKey(of.name));
    return;
  }
  if (run === undefined || !view.current) {
    if (state !== "running" && state !== "ending") begin(view, facts, draft, granted);
  } else if (state === "created") startRun(view, facts, draft);
  else if (state === "running") finishStart(view, draft);
  else if (state === "ended" && after.type === "restart") {
    if (facts.now >= after.at) begin(view, facts, draft, granted);
    else {
      draft.lookAt(after.at);
      const message = `Back-off restarting failed container ${of.name} in pod ${podText(facts.owner)}`;
      draft.tell({
        ...{ type: "Warning", reason: "BackOff", message, container: of.name },
        once: `backoff/${of.name}/${run.attempt}`,
      });
    }
  }
}

/** Of the run to be made: later than all that were, those included that only memory knows of. */
export function nextAttempt({ of, run }: ContainerView, facts: PodFacts): number {
  return Math.max(run?.attempt ?? -1, facts.memory.runs[of.name]?.attempt ?? -1) + 1;
}

/** "back-off 10s restarting failed container=c pod=p_ns(uid)". */
export function crashLoopMessage(view: ContainerView, facts: PodFacts): string {
  const ms = stepOf(view)?.ms ?? 0;
  return `back-off ${durationText(ms)} restarting failed container=${view.of.name} pod=${podText(facts.owner)}`;
}

function begin(view: ContainerView, facts: PodFacts, draft: PlanDraft, granted: boolean): void {
  const held = granted ? undefined : heldResources(view);
  // It was not granted what it asks for: it runs again with what it had.
  const of = held === undefined ? view.of : { ...view.of, container: { ...view.of.container, resources: held } };
  const attempt = nextAttempt(view, facts);
  const key = startKey(of.name);
  const image = of.container.image ?? "";
  const error = facts.found.startErrors.get(of.name);
  if (error !== undefined && error.attempt === attempt && error.image === image && facts.now < error.againAt) {
    tellBackoff(error, of.name, facts, draft);
    draft.lookAt(error.againAt);
    return;
  }
  const known = facts.found.images.get(of.name);
  if (known?.attempt !== attempt || known.image !== image) draft.want({ type: "image", key, of, attempt });
  else draft.want({ type: "create", key, of, attempt, notes: notesFor({ ...view, of }, facts) });
}

/** Once for each pause, when it is no longer told as an error but as a back-off. */
function tellBackoff(error: StartError, container: string, facts: PodFacts, draft: PlanDraft): void {
  if (!isPullBackoff(error, facts.now)) return;
  const once = `pull/${container}/${error.attempt}/${error.at}`;
  const message = `Back-off pulling image "${error.image}"`;
  draft.tell({ type: "Normal", reason: "BackOff", message, container, once });
  draft.tell({
    type: "Warning",
    reason: "Failed",
    message: "Error: ImagePullBackOff",
    container,
    once: `${once}/error`,
  });
}

function startRun({ of, run }: ContainerView, facts: PodFacts, draft: PlanDraft): void {
  if (run === undefined) return;
  const error = facts.found.startErrors.get(of.name);
  if (error !== undefined && error.attempt === run.attempt && facts.now < error.againAt) draft.lookAt(error.againAt);
  else draft.want({ type: "start", key: startKey(of.name), of, run });
}

function finishStart({ of, run, memory }: ContainerView, draft: PlanDraft): void {
  if (run === undefined || postStartDone(of, memory)) return;
  // To be stopped, be it since this very look.
  const remembered = draft.memory.runs[of.name];
  if (remembered?.attempt === run.attempt && remembered.kill !== undefined) return;
  draft.want({ type: "postStart", key: hookKey(of.name), of, run });
}

function notesFor(view: ContainerView, facts: PodFacts): RunNotes {
  const { of, run, memory } = view;
  const before = stepOf(view);
  // Those that only start over because another one wanted it have no failure of their own.
  const step =
    run === undefined || memory.kill?.why === "restartAll" ? before : raised(before, facts.now, facts.limits);
  return {
    role: of.role,
    index: of.index,
    epoch: facts.memory.epoch,
    image: of.container.image ?? "",
    backoffKey: of.backoffKey,
    backoffMs: step?.ms ?? 0,
    at: facts.now,
    container: of.container,
  };
}
