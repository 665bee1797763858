// Command lines that are refused: a test for each, on all that is wrong with it.
import assert from "node:assert/strict";
import { test } from "node:test";
import { UsageError } from "../program/fault.ts";

/** Words of a command line, and what each fault of it is told as. */
export type RefusedOptions = readonly (readonly [argv: readonly string[], faults: readonly RegExp[]])[];

export function testRefusedOptions(read: (...argv: string[]) => unknown, refused: RefusedOptions): void {
  for (const [argv, faults] of refused) {
    test(`refused: ${argv.join(" ")}`, () => {
      assert.throws(
        () => read(...argv),
        (error) => {
          assert.ok(error instanceof UsageError);
          for (const fault of faults) assert.match(error.message, fault);
          assert.equal(error.faults.length, faults.length, error.message);
          return true;
        },
      );
    });
  }
}
