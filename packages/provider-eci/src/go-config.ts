// The Go provider's TOML file and variables in our terms. Pure.
import { checkedConfig, quantity } from "@virtual-kubelet/virtual-kubelet/host";
import * as v from "valibot";

export type Environment = Readonly<Record<string, string | undefined>>;

/** A part of what parseEciConfig takes. */
export type Settings = Readonly<Record<string, unknown>>;

const text = v.optional(v.string("must be text"), "");

const schema = v.strictObject({
  Region: v.optional(v.string("must be text"), "cn-hangzhou"),
  OperatingSystem: v.optional(v.picklist(["", "Linux"], "must be Linux"), "Linux"),
  CPU: v.optional(quantity),
  Memory: v.optional(quantity),
  Pods: v.optional(quantity),
  VSwitch: text,
  SecureGroup: text,
  ClusterName: text,
});

/** Throws Invalid, with its names, for all faults at once. */
export function fromGoFile(table: unknown): Settings {
  const go = checkedConfig("eci", schema, table);
  return present({
    region: go.Region,
    capacity: present({ cpu: go.CPU, memory: go.Memory, pods: go.Pods }),
    network: present({ vSwitches: listOf(go.VSwitch), securityGroup: go.SecureGroup }),
    tags: present({ ClusterName: go.ClusterName }),
  });
}

/** What of the Go provider's variables is set. Those of keys are read with the credentials. */
export function fromGoVariables(env: Environment): Settings {
  return present({
    region: env["ECI_REGION"],
    capacity: present({ cpu: env["ECI_QUOTA_CPU"], memory: env["ECI_QUOTA_MEMORY"], pods: env["ECI_QUOTA_POD"] }),
    network: present({ vSwitches: listOf(env["ECI_VSWITCH"]), securityGroup: env["ECI_SECURITY_GROUP"] }),
    tags: present({ ClusterName: env["ECI_CLUSTER_NAME"] }),
  });
}

/** What the Go provider does unasked: nothing that it passes over is refused. */
export const goWays: Settings = { unenforcedSecurity: "warn" };

function listOf(names: string | undefined): readonly string[] | undefined {
  const all = (names ?? "").split(",").map((name) => name.trim());
  return all.every((name) => name === "") ? undefined : all;
}

/** Of several that say something the last counts; objects are taken together. */
export function mergedSettings(...all: readonly Settings[]): Settings {
  const out: Record<string, unknown> = {};
  for (const settings of all)
    for (const [key, value] of Object.entries(settings)) {
      const before = out[key];
      out[key] = isSettings(before) && isSettings(value) ? mergedSettings(before, value) : value;
    }
  return out;
}

export function isSettings(value: unknown): value is Settings {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Without what is not set: a variable that is empty says nothing. */
function present(settings: Settings): Settings {
  return Object.fromEntries(
    Object.entries(settings).filter(
      ([, value]) => value !== undefined && value !== "" && !(isSettings(value) && Object.keys(value).length === 0),
    ),
  );
}
