// What Services with selectors point to: their EndpointSlices, and the Endpoints that older clients read.
import type { Api } from "../api.ts";
import { isReady } from "../disruption.ts";
import { at, equal, type Json, type JsonObject, list, merge, number, object, parseJson, text } from "../json.ts";
import { selects } from "../selectors.ts";
import type { Controller } from "./controller.ts";
import {
  change,
  isFinished,
  isGoing,
  keyOf,
  labelsOf,
  nameOf,
  namespaceOf,
  ownerReference,
  remove,
  splitKey,
  uidOf,
} from "./objects.ts";

const sliceKey = "endpointslices.discovery.k8s.io";
const serviceLabel = "kubernetes.io/service-name";
const sliceManager = { "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io" };
const manager = { "endpoints.kubernetes.io/managed-by": "endpoint-controller" };

export function endpoints(api: Api): Controller {
  return {
    name: "endpoints-controller",
    hears: {
      services: (service) => [keyOf(service)],
      pods: (pod, { previous }) =>
        api.store
          .list("services", namespaceOf(pod))
          .filter((service) => selected(service, pod) || selected(service, previous))
          .map(keyOf),
      [sliceKey]: (slice) => {
        const service = text(labelsOf(slice), serviceLabel);
        return service === "" ? [] : [`${namespaceOf(slice)}/${service}`];
      },
      endpoints: (each) => [keyOf(each)],
    },
    sync(which) {
      const service = api.store.get("services", ...splitKey(which));
      if (service === undefined) return withdraw(api, which);
      if (isGoing(service) || Object.keys(object(service, "spec", "selector")).length === 0) return undefined;
      const pods = api.store
        .list("pods", namespaceOf(service))
        .filter((pod) => selected(service, pod) && !isFinished(pod) && text(pod, "status", "podIP") !== "");
      const groups = Map.groupBy(pods, (pod) => JSON.stringify(portsOf(service, pod)));
      if (groups.size === 0) groups.set("[]", []);
      writeSlices(api, service, groups);
      writeEndpoints(api, service, groups);
      return undefined;
    },
  };
}

function selected(service: JsonObject, pod: JsonObject | undefined): boolean {
  const selector = object(service, "spec", "selector");
  if (Object.keys(selector).length === 0) return false;
  return pod !== undefined && selects({ matchLabels: selector }, labelsOf(pod));
}

/** Ports of a pod by their numbers: a pod may have its own number for a name. */
function portsOf(service: JsonObject, pod: JsonObject): readonly JsonObject[] {
  return list(service, "spec", "ports").flatMap((port): JsonObject[] => {
    const target = at(port, "targetPort") ?? at(port, "port");
    const protocol = text(port, "protocol");
    const named = list(pod, "spec", "containers")
      .flatMap((container) => list(container, "ports"))
      .find((each) => text(each, "name") === target && text(each, "protocol") === protocol);
    const found = typeof target === "number" ? target : number(named, "containerPort");
    const more = { appProtocol: at(port, "appProtocol") };
    return found === undefined ? [] : [merge({ name: text(port, "name"), port: found, protocol }, [], more)];
  });
}

type Groups = ReadonlyMap<string, readonly JsonObject[]>;

function writeSlices(api: Api, service: JsonObject, groups: Groups): void {
  const own = api.store
    .list(sliceKey, namespaceOf(service))
    .filter((slice) => text(labelsOf(slice), serviceLabel) === nameOf(service) && isOurs(slice, sliceManager));
  const spare = new Set(own);
  for (const [ports, pods] of groups) {
    const wanted = {
      endpoints: pods.map((pod) => endpointOf(service, pod)),
      ports: parseJson(ports),
    };
    const labels = { ...labelsOf(service), ...sliceManager, [serviceLabel]: nameOf(service), ...headless(service) };
    const kept = own.find((slice) => equal(at(slice, "ports") ?? [], wanted.ports)) ?? [...spare][0];
    if (kept !== undefined && spare.delete(kept)) {
      change(api, sliceKey, kept, (slice) => merge({ ...slice, ...wanted }, ["metadata"], { labels }));
      continue;
    }
    api.create(api.resource(sliceKey), namespaceOf(service), {
      metadata: { generateName: `${nameOf(service)}-`, labels, ownerReferences: [ownerReference(service)] },
      addressType: "IPv4",
      ...wanted,
    });
  }
  for (const slice of spare) remove(api, sliceKey, slice);
}

function isServing(service: JsonObject, pod: JsonObject): boolean {
  return isReady(pod) || at(service, "spec", "publishNotReadyAddresses") === true;
}

function endpointOf(service: JsonObject, pod: JsonObject): JsonObject {
  const serving = isServing(service, pod);
  return merge(addressOf(pod), [], {
    ip: undefined,
    addresses: [text(pod, "status", "podIP")],
    conditions: { ready: serving && !isGoing(pod), serving, terminating: isGoing(pod) },
  });
}

function addressOf(pod: JsonObject): JsonObject {
  return {
    ip: text(pod, "status", "podIP"),
    nodeName: text(pod, "spec", "nodeName"),
    targetRef: { kind: "Pod", namespace: namespaceOf(pod), name: nameOf(pod), uid: uidOf(pod) },
  };
}

function writeEndpoints(api: Api, service: JsonObject, groups: Groups): void {
  const subsets = [...groups].flatMap(([ports, all]): Json[] => {
    const pods = all.filter((pod) => !isGoing(pod));
    if (pods.length === 0) return [];
    const { true: addresses = [], false: notReadyAddresses = [] } = Object.groupBy(
      pods,
      (pod) => `${isServing(service, pod)}`,
    );
    return [
      {
        addresses: addresses.map(addressOf),
        notReadyAddresses: notReadyAddresses.map(addressOf),
        ports: parseJson(ports),
      },
    ];
  });
  const labels = { ...labelsOf(service), ...manager, ...headless(service) };
  const known = api.store.get("endpoints", namespaceOf(service), nameOf(service));
  if (known !== undefined)
    change(api, "endpoints", known, (now) => merge({ ...now, subsets }, ["metadata"], { labels }));
  else
    api.create(api.resource("endpoints"), namespaceOf(service), {
      metadata: { name: nameOf(service), labels },
      subsets,
    });
}

function headless(service: JsonObject): JsonObject {
  return text(service, "spec", "clusterIP") === "None" ? { "service.kubernetes.io/headless": "" } : {};
}

function isOurs(each: JsonObject, by: JsonObject): boolean {
  return selects({ matchLabels: by }, labelsOf(each));
}

/** Slices go with their owner; Endpoints have none. */
function withdraw(api: Api, which: string): undefined {
  const left = api.store.get("endpoints", ...splitKey(which));
  if (left !== undefined && isOurs(left, manager)) remove(api, "endpoints", left);
}
