// Addresses and ports that the API server gives to Services.

import type { StrategyContext } from "./access.ts";
import { type Json, type JsonObject, list, merge, object, put, text } from "./json.ts";

/** The cluster's own Service. */
export const firstServiceAddress = "10.96.0.1";
const firstNodePort = 30_000;
const lastNodePort = 32_767;

export function newService(service: JsonObject, context: Pick<StrategyContext, "list">): JsonObject {
  const type = text(service, "spec", "type");
  if (type === "ExternalName") return service;
  const others = context
    .list("services")
    .filter((each) => text(each, "metadata", "uid") !== text(service, "metadata", "uid"));
  const address = text(service, "spec", "clusterIP") || freeAddress(others);
  const addressed = merge(service, ["spec"], {
    clusterIP: address,
    clusterIPs: [address],
    ipFamilies: ["IPv4"],
    ipFamilyPolicy: "SingleStack",
  });
  if (type !== "NodePort" && type !== "LoadBalancer") return addressed;
  const taken = new Set(others.flatMap((each) => list(each, "spec", "ports").map((port) => object(port)["nodePort"])));
  const ports = list(addressed, "spec", "ports").map((port): Json => {
    if (object(port)["nodePort"] !== undefined) return port;
    let free = firstNodePort;
    while (taken.has(free) && free < lastNodePort) free++;
    taken.add(free);
    return put(object(port), ["nodePort"], free);
  });
  const policy = text(addressed, "spec", "externalTrafficPolicy") || "Cluster";
  return merge(addressed, ["spec"], { ports, externalTrafficPolicy: policy });
}

function freeAddress(others: readonly JsonObject[]): string {
  const taken = new Set(others.map((each) => text(each, "spec", "clusterIP")));
  for (let number = 10; number < 65_535; number++) {
    const address = `10.96.${number >> 8}.${number & 255}`;
    if (!taken.has(address)) return address;
  }
  return "None";
}
