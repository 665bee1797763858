// Which operation of Azure Resource Manager a request is. Pure.
import type { FakeOperation } from "./fake-faults.ts";

export interface FakeRoute {
  readonly operation: FakeOperation;
  readonly subscription: string;
  readonly resourceGroup: string;
  /** Of a container group; of a subnet the whole id; of an operation its id. */
  readonly name: string;
  readonly container: string;
  /** Absent: another service's, whose versions are not looked at. */
  readonly checksVersion: boolean;
}

const scope = "/subscriptions/([^/]+)/resourceGroups/([^/]+)";
const groups = `${scope}/providers/Microsoft\\.ContainerInstance/containerGroups`;
const location = "/subscriptions/([^/]+)/providers/Microsoft\\.ContainerInstance/locations/[^/]+";

const table: readonly (readonly [methods: string, pattern: string, operation: FakeOperation])[] = [
  ["PUT", `${groups}/([^/]+)`, "create"],
  ["GET", `${groups}/([^/]+)`, "get"],
  ["PATCH", `${groups}/([^/]+)`, "updateTags"],
  ["DELETE", `${groups}/([^/]+)`, "remove"],
  ["POST", `${groups}/([^/]+)/stop`, "stop"],
  ["POST", `${groups}/([^/]+)/start`, "start"],
  ["POST", `${groups}/([^/]+)/restart`, "restart"],
  ["GET", groups, "list"],
  ["GET", "/subscriptions/([^/]+)/providers/Microsoft\\.ContainerInstance/containerGroups", "list"],
  ["GET", `${groups}/([^/]+)/containers/([^/]+)/logs`, "logs"],
  ["POST", `${groups}/([^/]+)/containers/([^/]+)/exec`, "exec"],
  ["POST", `${groups}/([^/]+)/containers/([^/]+)/attach`, "attach"],
  ["GET", `${groups}/([^/]+)/providers/Microsoft\\.Insights/metrics`, "metrics"],
  ["GET", `${location}/operations/([^/]+)`, "lro"],
  ["GET", `${location}/capabilities`, "capabilities"],
  ["GET", `${location}/usages`, "usage"],
  ["GET|PUT", `${scope}/providers/Microsoft\\.Network/virtualNetworks/[^/]+/subnets/[^/]+`, "subnet"],
  ["GET", `${scope}/providers/Microsoft\\.Authorization/permissions`, "permissions"],
  ["GET", scope, "ping"],
];
const routes = table.map(([methods, pattern, operation]) => ({
  methods: methods.split("|"),
  pattern: new RegExp(`^${pattern}$`, "i"),
  operation,
}));
const others: readonly FakeOperation[] = ["lro", "metrics", "subnet", "permissions", "ping"];

/** Undefined: the cloud has no such address. */
export function routeOf(method: string, path: string): FakeRoute | undefined {
  for (const { methods, pattern, operation } of routes) {
    const found = pattern.exec(path);
    if (found === null || !methods.includes(method)) continue;
    const [, subscription = "", second = "", third = "", container = ""] = found.map(decodeURIComponent);
    const isOfLocation = ["lro", "capabilities", "usage"].includes(operation);
    return {
      operation,
      subscription,
      resourceGroup: isOfLocation ? "" : second,
      name: operation === "subnet" ? path : isOfLocation ? second : third,
      container,
      checksVersion: !others.includes(operation),
    };
  }
  return undefined;
}
