// Bodies of requests to the fake, after the check against the models.
import * as v from "valibot";
import type { ContainerGroup } from "../wire.ts";
import { FakeRefusal } from "./fake-refusal.ts";
import { modelFaults } from "./model-check.ts";

const execRequest = v.object({
  command: v.optional(v.string()),
  terminalSize: v.optional(v.object({ rows: v.optional(v.number()), cols: v.optional(v.number()) })),
});

export function execBody(body: unknown): {
  readonly command?: string | undefined;
  readonly rows?: number | undefined;
  readonly cols?: number | undefined;
} {
  const { command, terminalSize } = v.parse(execRequest, body ?? {});
  return { command, ...terminalSize };
}

/** It has passed as a request of the model. */
export function groupOf(body: unknown): ContainerGroup {
  if (isGroup(body)) return body;
  throw new FakeRefusal(400, "InvalidRequestContent", "The body must be a container group.");
}

function isGroup(body: unknown): body is ContainerGroup {
  return modelFaults(body, { model: "ContainerGroup", version: "2025-09-01", direction: "request" }).length === 0;
}
