// Which ceiling leaves no room for a pod, and in what words that is told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { type Account, noRoom } from "./room.ts";

const node = (ceiling: object, used: Partial<Account> = {}): Account => ({
  ...{ kind: "node", name: "n", ceiling: { name: "n", ...ceiling }, perHour: 0, today: 0, thisMonth: 0 },
  ...used,
});
const namespace = (ceiling: object): Account => ({ ...node(ceiling), kind: "namespace", name: "shop" });

const cases: readonly (readonly [string, readonly Account[], number, RegExp | undefined])[] = [
  ["no ceiling", [], 9, undefined],
  ["what fits to the brim", [node({ perHour: 3 }, { perHour: 1 })], 2, undefined],
  ["sums of fractions that fit", [node({ perHour: 0.3 }, { perHour: 0.1 + 0.1 })], 0.1, undefined],
  [
    "what does not fit now",
    [node({ perHour: 3 }, { perHour: 2.5 })],
    1,
    /^hour: the ceiling of node n is 3 EUR per hour: its pods cost 2\.5 EUR, and this one 1 EUR more$/,
  ],
  [
    "what never fits",
    [node({ perHour: 3 })],
    4,
    /^never: the ceiling of node n is 3 EUR per hour, and this pod alone costs 4 EUR$/,
  ],
  [
    "a day that is spent",
    [node({ perDay: 5 }, { today: 5.01 })],
    1,
    /^day: the ceiling of node n is 5 EUR per day: 5\.01 EUR are spent$/,
  ],
  ["a month that is spent", [node({ perDay: 5, perMonth: 9 }, { today: 1, thisMonth: 9 })], 1, /^month: /],
  ["nothing at all may be spent", [node({ perMonth: 0 })], 1, /^month: /],
  ["what costs nothing, whatever is spent", [node({ perDay: 5, perHour: 0 }, { today: 9 })], 0, undefined],
  [
    "the namespace's, where the node has room",
    [node({ perHour: 9 }), namespace({ perHour: 1 })],
    2,
    /^never: the ceiling of namespace shop/,
  ],
  ["never goes before not now", [node({ perDay: 1 }, { today: 1 }), namespace({ perHour: 1 })], 2, /^never: /],
];

for (const [what, accounts, perHour, expected] of cases)
  test(what, () => {
    const found = noRoom(accounts, perHour, "EUR");
    if (expected === undefined) assert.equal(found, undefined);
    else assert.match(`${found?.lasts}: ${found?.message}`, expected);
  });
