import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ContainerState, ContainerStatus, PodSpec } from "../kube/types.gen.ts";
import { podPhase } from "./phase.ts";

const status = (name: string, state: ContainerState, lastState?: ContainerState): ContainerStatus => ({
  name,
  image: "img",
  imageID: "",
  ready: false,
  restartCount: 0,
  state,
  ...(lastState === undefined ? {} : { lastState }),
});
const ended = (exitCode: number, reason?: string): ContainerState => ({
  terminated: { exitCode, ...(reason === undefined ? {} : { reason }) },
});
const waiting: ContainerState = { waiting: { reason: "ContainerCreating" } };

describe("the phase of a pod whose container waits after its end", () => {
  const never: PodSpec = { restartPolicy: "Never", containers: [{ name: "c" }] };
  const init: PodSpec = { ...never, initContainers: [{ name: "i" }] };
  const rows: readonly (readonly [
    string,
    PodSpec,
    readonly ContainerStatus[],
    readonly ContainerStatus[],
    boolean,
    string,
  ])[] = [
    ["it runs again, whatever the policy says", never, [], [status("c", waiting, ended(1))], false, "Running"],
    ["also after a success", never, [], [status("c", waiting, ended(0))], false, "Running"],
    ["but not when nothing is restarted any more", never, [], [status("c", waiting, ended(1))], true, "Failed"],
    ["an ended one is the end", never, [], [status("c", ended(1))], false, "Failed"],
    [
      "one that ended because all start over is not",
      never,
      [],
      [status("c", ended(1, "RestartingAllContainers"))],
      false,
      "Running",
    ],
    [
      "an init container that waits has not failed",
      init,
      [status("i", waiting, ended(1))],
      [status("c", waiting)],
      false,
      "Pending",
    ],
    ["an init container that ended has", init, [status("i", ended(1))], [status("c", waiting)], false, "Failed"],
  ];
  for (const [name, spec, inits, mains, over, phase] of rows)
    it(`${name}: ${phase}`, () => assert.equal(podPhase(spec, inits, mains, over), phase));
});
