// Values that configurations of providers on a host have in common, as schemas.
import { isAbsolute, normalize } from "node:path";
import * as v from "valibot";
import { parseQuantity, wholeUnits } from "../kube/quantity.ts";
import type { NodeConfig } from "./node-report.ts";

/** As text, e.g. "1.5Gi"; not negative. */
export const quantity: v.GenericSchema<string | number, string> = v.pipe(
  v.union([v.string(), v.number()], "must be a quantity"),
  v.transform(String),
  v.check((text) => {
    try {
      return parseQuantity(text) >= 0n;
    } catch {
      return false;
    }
  }, "must be a quantity, and not negative"),
);

/** A quantity in bytes. */
export const byteSize: v.GenericSchema<string | number, number> = v.pipe(
  quantity,
  v.transform((text) => Number(wholeUnits(parseQuantity(text)))),
);

export const absolutePath: v.GenericSchema<string, string> = v.pipe(
  v.string("must be a path"),
  v.check((text) => isAbsolute(text), "must be an absolute path"),
);

/** In normal form, and without what tools and engines take paths apart at. */
export const mountablePath: v.GenericSchema<string, string> = v.pipe(
  absolutePath,
  v.check((text) => !/[,:\\\n\0]/.test(text), "must hold no comma, colon, backslash or line break"),
  v.transform((text) => normalize(text).replace(/(?<=.)\/+$/, "")),
);

const share = v.pipe(v.string(), v.regex(/^(100|\d{1,2})(\.\d+)?%$/, "must be a quantity or a percentage like 10%"));
const threshold = v.union([share, quantity], "must be a quantity, or a percentage like 10%");

type Pressure = NodeConfig["pressure"];

/** Below what the node is under pressure. */
export const pressure: v.GenericSchema<{ readonly [key in keyof Pressure]?: string | number | undefined }, Pressure> =
  v.strictObject({
    memoryAvailable: v.optional(threshold, "100Mi"),
    diskAvailable: v.optional(threshold, "10%"),
    inodesFree: v.optional(threshold, "5%"),
    pidsAvailable: v.optional(threshold, "5%"),
  });
