// What is right in the configuration, and what it is where nothing is said. All faults at once.
import { checkedConfig, quantity } from "@virtual-kubelet/virtual-kubelet/host";
import * as v from "valibot";
import type { EciConfig } from "./config.ts";
import { credentials } from "./credentials-config.ts";

const word = (what: string, pattern: RegExp): v.GenericSchema<string, string> =>
  v.pipe(v.string("must be text"), v.regex(pattern, `must be ${what}`));
const text = v.pipe(v.string("must be text"), v.minLength(1, "must not be empty"));
const flag = v.boolean("must be true or false");
const patterns = v.optional(v.array(text), []);
const host = word("a host, with a port where it has one", /^[\w.-]+(:\d+)?$/);
const vSwitch = word("the ID of a vSwitch, like vsw-0123abcd", /^vsw-[0-9a-z]+$/);
const securityGroup = word("the ID of a security group, like sg-0123abcd", /^sg-[0-9a-z]+$/);

/** 2-4Gi, or the name of a type. */
const instanceType: v.GenericSchema<string, string> = word(
  "cores and memory like 2-4Gi, or an ECS instance type like ecs.c6.xlarge",
  /^(\d+(\.\d+)?-\d+(\.\d+)?Gi|ecs(\.[a-z0-9-]+)+)$/,
);

const schema = v.strictObject({
  region: v.optional(
    v.pipe(
      word("a region like cn-hangzhou", /^$|^[a-z]{2,}(-[a-z0-9]+)+$/),
      v.check((name) => name !== "", "is required, here or by ECI_REGION"),
    ),
    "",
  ),
  credentials: v.optional(credentials, { type: "default" }),
  endpoint: v.optional(
    word(
      "a URL like https://host; http:// for this machine alone",
      /^$|^https:\/\/[^\s/]+\/?$|^http:\/\/127\.0\.0\.1(:\d+)?\/?$/,
    ),
    "",
  ),
  caFile: v.optional(v.string("must be a path"), ""),
  resourceGroup: v.optional(word("the ID of a resource group, like rg-0123abcd", /^$|^rg-[0-9a-z]+$/), ""),
  network: v.pipe(
    v.strictObject(
      {
        vSwitches: v.pipe(
          v.array(vSwitch, "must be a list"),
          v.minLength(1, "must name a vSwitch at least"),
          v.maxLength(10, "must name at most 10 vSwitches"),
        ),
        securityGroup,
        scheduleStrategy: v.optional(
          v.picklist(["VSwitchOrdered", "VSwitchRandom"], "must be VSwitchOrdered or VSwitchRandom"),
          "VSwitchOrdered",
        ),
      },
      "is required",
    ),
  ),
  capacity: v.optional(
    v.objectWithRest(
      {
        cpu: v.optional(quantity, "1000"),
        memory: v.optional(quantity, "4Ti"),
        pods: v.optional(quantity, "1000"),
      },
      quantity,
    ),
    {},
  ),
  defaultRequests: v.optional(
    v.strictObject({ cpu: v.optional(quantity, "1"), memory: v.optional(quantity, "2Gi") }),
    {},
  ),
  sizeBy: v.optional(v.picklist(["requests", "limits"], "must be requests or limits"), "requests"),
  unenforcedSecurity: v.optional(v.picklist(["refuse", "warn"], "must be refuse or warn"), "refuse"),
  allowed: v.optional(
    v.strictObject({
      ...{ vSwitches: patterns, securityGroups: patterns, ramRoles: patterns, resourceGroups: patterns },
      ...{ publicIPs: v.optional(flag, false), privileged: v.optional(flag, false) },
      hostPaths: v.optional(flag, false),
    }),
    {},
  ),
  ramRole: v.optional(word("the name of a role", /^[\w.-]*$/), ""),
  architecture: v.optional(v.picklist(["AMD64", "ARM64"], "must be AMD64 or ARM64"), "AMD64"),
  spot: v.optional(
    v.pipe(
      v.strictObject({
        strategy: v.picklist(["SpotAsPriceGo", "SpotWithPriceLimit"], "must be SpotAsPriceGo or SpotWithPriceLimit"),
        priceLimit: v.optional(v.pipe(v.number("must be a number"), v.minValue(0.001, "must be at least 0.001"))),
        duration: v.optional(v.picklist([0, 1], "must be 0 or 1"), 1),
      }),
      v.forward(
        v.check(
          ({ strategy, priceLimit }) => (strategy === "SpotWithPriceLimit") === (priceLimit !== undefined),
          "is required with SpotWithPriceLimit, and not there without",
        ),
        ["priceLimit"],
      ),
    ),
  ),
  instanceTypes: v.optional(v.pipe(v.array(instanceType), v.maxLength(5, "must name at most 5")), []),
  computeCategories: v.optional(v.array(v.picklist(["general", "economy"], "must be general or economy")), []),
  imageCache: v.optional(flag, false),
  registries: v.optional(
    v.strictObject({
      acrInstances: v.optional(
        v.array(
          v.strictObject({
            id: word("the ID of an instance, like cri-0123abcd", /^cri-[0-9a-z]+$/),
            region: v.optional(v.string(), ""),
            domains: v.optional(v.array(host), []),
          }),
        ),
        [],
      ),
      insecure: v.optional(v.array(host), []),
      plainHTTP: v.optional(v.array(host), []),
    }),
    {},
  ),
  helperImage: v.optional(v.string("must be the name of an image"), ""),
  tags: v.optional(
    v.pipe(
      v.record(
        word(
          "a tag's key: at most 128 characters, not of aliyun, acs: or virtual-kubelet.io, without http://",
          /^(?!aliyun|acs:|virtual-kubelet\.io)(?!.*https?:\/\/).{1,128}$/i,
        ),
        word("a tag's value: at most 128 characters, without http://", /^(?!.*https?:\/\/).{0,128}$/i),
      ),
      v.check((all) => Object.keys(all).length <= 12, "must be at most 12"),
    ),
    {},
  ),
  adoptGoGroups: v.optional(flag, true),
  callLimits: v.optional(
    v.record(
      v.string(),
      v.strictObject({
        perSecond: v.pipe(v.number("must be a number"), v.minValue(0.01, "must be at least 0.01")),
        burst: v.pipe(v.number("must be a number"), v.minValue(1, "must be at least 1")),
      }),
    ),
    {},
  ),
  userAgent: v.optional(word("printable ASCII", /^[\x20-\x7e]*$/), ""),
});

/** Throws Invalid with all faults in one message. No file but those that it names is read, and no variable. */
export function parseEciConfig(value: unknown): EciConfig {
  return checkedConfig("eci", schema, value);
}
