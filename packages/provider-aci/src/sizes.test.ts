// Amounts as the cloud takes them, whatever a pod asks for.
import assert from "node:assert/strict";
import { it } from "node:test";
import type { PodSpec } from "@virtual-kubelet/virtual-kubelet";
import fc from "fast-check";
import { groupSizes } from "./sizes.ts";

const defaults = { cpu: "1", memory: "1500M" };
const amounts = fc.record({
  cpu: fc.option(
    fc.integer({ min: 1, max: 64_000 }).map((milli) => `${milli}m`),
    { nil: undefined },
  ),
  memory: fc.option(fc.integer({ min: 1, max: 64 * 2 ** 30 }).map(String), { nil: undefined }),
});
const container = fc.record({ requests: amounts, limits: amounts });

it("never less than is asked for, in the cloud's steps, no limit above what the group asks for", () => {
  fc.assert(
    fc.property(
      fc.array(container, { minLength: 1, maxLength: 4 }),
      fc.array(amounts, { maxLength: 2 }),
      (main, init) => {
        const spec: PodSpec = {
          containers: main.map((each, index) => ({
            name: `c${index}`,
            resources: { requests: defined(each.requests), limits: defined(each.limits) },
          })),
          initContainers: init.map((requests, index) => ({
            name: `i${index}`,
            resources: { requests: defined(requests) },
          })),
        };
        const { containers } = groupSizes(spec, defaults);
        const sizes = [...containers.values()];
        const total = (figure: "cpu" | "memoryInGB"): number =>
          sizes.reduce((sum, { requests }) => sum + requests[figure], 0);
        for (const [index, { requests, limits }] of sizes.entries()) {
          const asked = main[index];
          assert.ok(requests.cpu * 1000 + 1e-6 >= Number(asked?.requests.cpu?.slice(0, -1) ?? 0));
          assert.ok(requests.memoryInGB * 1e9 + 1 >= Number(asked?.requests.memory ?? 0));
          assert.ok(isStep(requests.cpu, 0.01) && isStep(requests.memoryInGB, 0.1));
          assert.ok((limits?.cpu ?? requests.cpu) >= requests.cpu && (limits?.cpu ?? 0) <= total("cpu") + 1e-6);
          assert.ok((limits?.memoryInGB ?? requests.memoryInGB) >= requests.memoryInGB);
          assert.ok((limits?.memoryInGB ?? 0) <= total("memoryInGB") + 1e-6);
        }
        for (const { cpu, memory } of init) {
          assert.ok(total("cpu") * 1000 + 1e-6 >= Number(cpu?.slice(0, -1) ?? 0));
          assert.ok(total("memoryInGB") * 1e9 + 1 >= Number(memory ?? 0));
        }
      },
    ),
    { numRuns: 300 },
  );
});

function isStep(value: number, step: number): boolean {
  return Math.abs(value / step - Math.round(value / step)) < 1e-6;
}

function defined(list: { readonly [name: string]: string | undefined }): Record<string, string> {
  return Object.fromEntries(Object.entries(list).flatMap(([name, text]) => (text === undefined ? [] : [[name, text]])));
}
