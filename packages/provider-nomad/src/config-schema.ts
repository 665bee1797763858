// What is right in the configuration, and what it is where nothing is said.
import { quantity } from "@virtual-kubelet/virtual-kubelet/host";
import * as v from "valibot";
import type { NomadConfig } from "./config.ts";
import { drivers } from "./drivers.ts";

const driver = v.picklist(drivers, `must be one of ${drivers.join(", ")}`);
const text = v.optional(v.string("must be a text"), "");
const names = v.optional(v.array(v.pipe(v.string("must be a text"), v.minLength(1, "must not be empty"))), []);
const whole = (least: number, most: number): v.GenericSchema<number, number> =>
  v.pipe(
    v.number("must be a number"),
    v.integer("must be a whole number"),
    v.minValue(least, `must be at least ${least}`),
    v.maxValue(most, `must be at most ${most}`),
  );

const schema = v.strictObject({
  address: v.optional(
    v.pipe(
      v.string("must be a text"),
      v.regex(/^https?:\/\/[^\s/@?#]+(\/[^\s?#]*)?$/, "must be a URL like http://127.0.0.1:4646, without credentials"),
    ),
    "http://127.0.0.1:4646",
  ),
  region: text,
  namespace: v.optional(
    v.pipe(
      v.string("must be a text"),
      v.regex(/^[a-zA-Z0-9-]{1,128}$/, "must be a namespace of Nomad: letters, digits and hyphens"),
    ),
    "default",
  ),
  token: text,
  tokenFile: text,
  basicAuth: v.optional(v.pipe(v.string(), v.regex(/^$|:/, "must be like user:password")), ""),
  tls: v.optional(
    v.pipe(
      v.strictObject({
        ...{ caFile: text, caPath: text, certFile: text, keyFile: text, serverName: text },
        skipVerify: v.optional(v.boolean("must be true or false"), false),
      }),
      v.check(
        ({ certFile, keyFile }) => (certFile === "") === (keyFile === ""),
        "certFile and keyFile are needed together",
      ),
    ),
    {},
  ),
  datacenters: v.optional(
    v.pipe(
      v.array(v.pipe(v.string("must be a text"), v.minLength(1, "must not be empty"))),
      v.minLength(1, "must name one at least; * is any"),
    ),
    ["*"],
  ),
  nodePool: v.optional(
    v.pipe(v.string("must be a text"), v.regex(/^[a-zA-Z0-9_-]{1,128}$/, "must be the name of a node pool")),
    "default",
  ),
  driver: v.optional(driver, "docker"),
  allowedDrivers: v.optional(v.array(driver), []),
  priority: v.optional(whole(1, 100), 50),
  network: v.optional(
    v.strictObject({
      mode: v.optional(
        v.pipe(v.string(), v.regex(/^(bridge|host|none|cni\/[\w-]+)$/, "must be bridge, host, none or cni/NAME")),
      ),
      podIP: v.optional(v.picklist(["allocation", "host"], "must be allocation or host"), "allocation"),
    }),
    {},
  ),
  defaults: v.optional(
    v.strictObject({ cpu: v.optional(quantity, "100m"), memory: v.optional(quantity, "128Mi") }),
    {},
  ),
  mhzPerCore: v.optional(whole(0, 100_000), 0),
  devices: v.optional(
    v.record(
      v.pipe(v.string(), v.regex(/^[\w.-]+\/[\w.-]+$/, "must be a resource like nvidia.com/gpu")),
      v.pipe(
        v.string(),
        v.regex(/^[\w.-]+(\/[\w.-]+){0,2}$/, "must be a device of Nomad: type, vendor/type or vendor/type/model"),
      ),
    ),
    { "nvidia.com/gpu": "nvidia/gpu" },
  ),
  volumes: v.optional(v.strictObject({ hostPaths: names, host: names, csi: names }), {}),
  ephemeralDiskMB: v.optional(whole(10, 10_000_000), 300),
  logs: v.optional(
    v.strictObject({ maxFiles: v.optional(whole(1, 1000), 5), maxFileSizeMB: v.optional(whole(1, 10_000), 10) }),
    {},
  ),
  pods: v.optional(quantity, "1000"),
});

export const configSchema: v.GenericSchema<unknown, NomadConfig> = v.pipe(
  schema,
  v.forward(
    v.check(({ token, tokenFile }) => token === "" || tokenFile === "", "token and tokenFile exclude each other"),
    ["tokenFile"],
  ),
  v.forward(
    v.check(
      ({ address, tls }) =>
        address.startsWith("https:") ||
        (tls.caFile === "" && tls.caPath === "" && tls.certFile === "" && !tls.skipVerify),
      "must be https: TLS is configured",
    ),
    ["address"],
  ),
  v.transform((config) => ({
    ...config,
    allowedDrivers: [...new Set([config.driver, ...config.allowedDrivers])],
    network: { ...config.network, mode: config.network.mode ?? (config.driver === "raw_exec" ? "host" : "bridge") },
  })),
);
