import assert from "node:assert/strict";
import { test } from "node:test";
import { available, RenewedValue } from "./renewed-value.ts";

test("tells each change to each subscriber, and why there is none", () => {
  const value = new RenewedValue<string>("not yet");
  assert.throws(() => value.current(), { kind: "Unavailable", message: "not yet" });
  const seen: string[] = [];
  const look = (): void => void seen.push(value.value ?? "none");
  const [first, second] = [value.subscribe(look), value.subscribe(look)];
  value.clear("still not");
  assert.deepEqual(seen, []);
  value.set("a");
  assert.deepEqual(seen, ["a", "a"]);
  first();
  value.set("b");
  assert.equal(value.current(), "b");
  value.clear("gone");
  assert.throws(() => value.current(), { message: "gone" });
  second();
  value.set("c");
  assert.deepEqual(seen, ["a", "a", "b", "none"]);
});

test("waits for the first value, or the signal", async () => {
  const value = new RenewedValue<string>("not yet");
  const waiting = available(value, new AbortController().signal);
  value.clear("later");
  value.set("a");
  assert.equal(await waiting, "a");
  assert.equal(await available(value, new AbortController().signal), "a");
  const end = new AbortController();
  const ended = available(new RenewedValue<string>("never"), end.signal);
  end.abort();
  await assert.rejects(ended, { kind: "Aborted" });
  await assert.rejects(available(new RenewedValue<string>("never"), end.signal), { kind: "Aborted" });
});
