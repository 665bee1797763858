// The part of the configuration schema that is about costs.
import * as v from "valibot";
import type { GivenBudgets } from "./config-settings.ts";
import { duration, leaf, list, oneOf, say, section, text } from "./setting-kinds.ts";

const amount = (what: string): v.GenericSchema<number> =>
  leaf<number>((value) => typeof value === "number" && Number.isFinite(value) && value >= 0, `must be ${what}`);
const price = amount("a price: a number, 0 or more");
const prices = {
  cpu: say(price, "Of a core."),
  memoryGiB: say(price, "Of a GiB of memory (or GB, where the cloud bills those)."),
  storageGiB: say(price, "Of a GiB of the storage that is billed apart."),
  gpus: say(
    v.record(text("the type of a GPU"), price, "must be a map"),
    "Of a GPU, by type: the name of the resource (nvidia.com/gpu), or the cloud's own.",
  ),
  pod: say(price, "Of a pod, whatever its size."),
};

const table = section({
  ...prices,
  minimum: say(duration(0), "A pod that ends sooner costs as if it had lived so long."),
  spotFactor: say(amount("a factor: a number, 0 or more"), "What spot capacity costs of the price; default 1."),
  variants: say(
    list(
      v.pipe(
        section({
          architecture: say(text(), "For pods of this architecture: amd64, arm64."),
          operatingSystem: say(text(), "For pods of this operating system: linux, windows."),
          ...prices,
        }),
        v.check(
          ({ architecture, operatingSystem }) => architecture !== undefined || operatingSystem !== undefined,
          "must say for which architecture or operatingSystem it is",
        ),
      ),
    ),
    "Prices that take the place of these for some pods: the first whose architecture and operatingSystem are those of the pod.",
  ),
});

const name = leaf<string>(
  (value) => typeof value === "string" && /^(?:\*|[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?)$/.test(value),
  'must be the name of one, or "*" for each that has none of its own',
);
const limit = amount("an amount: a number, 0 or more");
const ceiling = v.pipe(
  section({
    name: v.pipe(name, v.description('Its name; "*": each that has none of its own.')),
    perHour: say(limit, "What its pods may cost per hour while they run."),
    perDay: say(limit, "What may be spent on them in a day, in UTC."),
    perMonth: say(limit, "What may be spent on them in a month, in UTC."),
  }),
  v.check(
    ({ perHour, perDay, perMonth }) => perHour !== undefined || perDay !== undefined || perMonth !== undefined,
    "limits nothing: give perHour, perDay or perMonth",
  ),
);
const ceilings = v.pipe(
  list(ceiling),
  v.check((all) => new Set(all.map(({ name: of }) => of)).size === all.length, "must have different names"),
);

type Entries<T> = {
  readonly [K in keyof T]-?: v.ExactOptionalSchema<v.GenericSchema<unknown, NonNullable<T[K]>>, undefined>;
};

export const budgetEntries: Entries<GivenBudgets> = {
  currency: say(text("the name of a currency"), "Of all amounts: a name alone, nothing is converted. Default none."),
  prices: say(
    v.record(text("the name of a price table"), table, "must be a map"),
    "Price tables by name: that of a provider, or any that a node's or member's `prices` names. Each price is per hour.",
  ),
  ceilings: say(
    section({
      nodes: say(ceilings, "For each node."),
      namespaces: say(ceilings, "For each namespace, over all nodes of the process."),
    }),
    "What pods may cost. Those that run go on.",
  ),
  overCeiling: say(
    oneOf("hold", "fail"),
    "What becomes of a pod for which there is no room now: hold (default) keeps it Pending until there is, fail makes it Failed, so that its controller makes another one.",
  ),
};
