// The part of the configuration schema that is about one node.
import * as v from "valibot";
import type { Taint } from "../kube/types.gen.ts";
import type { NodeSettings } from "./config-settings.ts";
import {
  anyText,
  integer,
  ipAddress,
  labelValue,
  list,
  map,
  nameKey,
  oneOf,
  quantity,
  say,
  section,
  text,
} from "./setting-kinds.ts";

export const effect: v.GenericSchema<Taint["effect"]> = oneOf("NoSchedule", "PreferNoSchedule", "NoExecute");
const taint = section({
  key: nameKey,
  value: v.exactOptional(labelValue),
  effect,
});
const address = section({
  type: oneOf("InternalIP", "ExternalIP", "Hostname", "InternalDNS", "ExternalDNS"),
  address: text(),
});

type Entries<T> = {
  readonly [K in keyof T]-?: v.ExactOptionalSchema<v.GenericSchema<unknown, NonNullable<T[K]>>, undefined>;
};

export const nodeEntries: Entries<NodeSettings> = {
  operatingSystem: say(oneOf("linux", "windows"), "Operating system of the node: linux or windows."),
  architecture: say(
    oneOf("amd64", "arm64", "arm", "ppc64le", "riscv64", "s390x"),
    "Processor architecture of the node, where the provider reports none; default amd64.",
  ),
  provider: say(
    section({
      name: say(text(), "Built-in name, npm package, or path of a module that exports createProvider."),
      config: say(v.unknown(), "The provider's own settings; see the provider."),
      configPath: say(text("a path"), "File that the provider reads instead; see the provider."),
    }),
    "What runs the pods.",
  ),
  labels: say(map(labelValue), "Labels of the node."),
  annotations: say(map(anyText), "Annotations of the node."),
  taints: say(
    list(taint),
    "Taints of the node. Default: virtual-kubelet.io/provider=<provider>:NoSchedule; an empty list for none.",
  ),
  internalIP: say(
    ipAddress,
    "InternalIP address of the node. Default, while the kubelet API is served: the machine's first address that others can reach.",
  ),
  addresses: say(list(address), "Further addresses of the node, each with type and address."),
  capacity: say(map(quantity), "Capacity by resource, where the provider reports none."),
  providerID: say(text(), "spec.providerID of the node."),
  port: say(
    integer(0, 65535),
    "Port of the node's kubelet API, counted up over the nodes of one entry; 0 for a free one. Default: 10250 for a single node, free ones for several.",
  ),
  listenAddress: say(ipAddress, "Address on which the node's kubelet API listens; default kubelet.address."),
  prices: say(text(), "Name of the node's table in budgets.prices; default the provider's name."),
};
