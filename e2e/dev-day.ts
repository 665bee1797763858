// A day with kubectl: what a user does with a cluster of two virtual nodes from morning to evening, and what they read. The pods
// that matter are processes of this machine, which needs root on Linux.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { connect } from "../packages/virtual-kubelet/src/kube/connect.ts";
import type { ControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { type ControlPlaneTraits, operationSteps } from "./dev-day-operations.ts";
import { type DayBench, dayUser, soon } from "./dev-day-user.ts";
import { workloadSteps } from "./dev-day-workloads.ts";
import { Harness, type RunningKubelet } from "./harness.ts";
import type { Client } from "./kubectl.ts";
import { type MockNode, mockNode } from "./mock-node.ts";
import { ownAddress, ProcessSubject } from "./semantics.ts";

export interface DayOptions {
  readonly name: string;
  readonly start: () => Promise<ControlPlane>;
  readonly clients: readonly Client[];
  readonly has: ControlPlaneTraits;
}

/** Registers the day on one control plane, once for each kubectl. */
export function kubectlDay(options: DayOptions): void {
  const skip = process.getuid?.() === 0 ? false : "processes in namespaces need root on Linux";
  describe(`a day on ${options.name}`, { timeout: 900_000, skip }, () => {
    let harness: Harness;
    let subject: ProcessSubject;
    let spare: MockNode;
    let kubelet: RunningKubelet;

    before(async () => {
      const plane = await options.start();
      harness = new Harness(plane, await connect({ kubeconfig: plane.kubeconfig }));
      subject = new ProcessSubject({}, ownAddress());
      const program = await harness.program(["--nodename", subject.node, ...subject.flags]);
      spare = await mockNode("spare");
      kubelet = await harness.kubelet([spare]);
      await harness.nodeIsReady(subject.node, program);
      await harness.nodeIsReady("spare");
    });
    after(async () => {
      await using _subject = subject;
      await using _harness = harness;
      await kubelet?.stop();
    });

    for (const client of options.clients) describe(client.name, () => day(client));

    function day(client: Client): void {
      const user = dayUser((): DayBench => ({ harness, subject, spare }), client);
      const { namespace, says, run } = user;
      workloadSteps(user);
      operationSteps(user, options.has);

      it("cleans up", async () => {
        assert.match(await says("delete", "pods", "--all", "--wait=false"), /pod "again" (force )?deleted/);
        assert.match(
          await says("delete", "namespace", namespace, "--timeout=300s"),
          new RegExp(`namespace "${namespace}" deleted`),
        );
        const left = await run(["get", "namespace", namespace]);
        assert.match(left.stderr, new RegExp(`namespaces "${namespace}" not found`));
        await soon("nothing on the other node", async () => assert.deepEqual(spare.backend.list(), []));
      });
    }
  });
}
