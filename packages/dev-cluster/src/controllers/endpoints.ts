// What Services with selectors point to: their EndpointSlices, and the Endpoints that older clients read.
import type { Api } from "../api.ts";
import { isReady } from "../disruption.ts";
import { at, type Json, type JsonObject, list, number, object, parseJson, text } from "../json.ts";
import { selects } from "../selectors.ts";
import type { Client } from "./client.ts";
import { type Controller, controllerFor } from "./controller.ts";
import {
  hashOf,
  isFinished,
  isGoing,
  keyOf,
  labelsOf,
  nameOf,
  namespaceOf,
  nodeNameOf,
  ownedBy,
  uidOf,
} from "./objects.ts";

const sliceKey = "endpointslices.discovery.k8s.io";
const serviceLabel = "kubernetes.io/service-name";
const sliceManager = { "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io" };
const manager = { "endpoints.kubernetes.io/managed-by": "endpoint-controller" };

export function endpoints(api: Api): Controller {
  const key = "services";
  return controllerFor(api, {
    name: "endpoints-controller",
    resource: key,
    // On a real control plane Endpoints have no owner; here they go with it, as slices do.
    owns: [sliceKey, "endpoints"],
    hears: { pods: (pod) => api.store.list(key, namespaceOf(pod)).map(keyOf) },
    sync(service, client) {
      const matchLabels = object(service, "spec", "selector");
      const isElsewhere = text(service, "spec", "type") === "ExternalName";
      if (isElsewhere || Object.keys(matchLabels).length === 0) return undefined;
      const all = client.selected({ matchLabels }, namespaceOf(service));
      const pods = all.filter((pod) => !isFinished(pod) && text(pod, "status", "podIP") !== "");
      const groups = Map.groupBy(pods, (pod) => JSON.stringify(portsOf(service, pod)));
      if (groups.size === 0) groups.set("[]", []);
      writeSlices(client, service, groups);
      writeEndpoints(client, service, groups);
      return undefined;
    },
  });
}

/** Ports of a pod by their numbers: a pod may have its own number for a name. */
function portsOf(service: JsonObject, pod: JsonObject): readonly JsonObject[] {
  const named = list(pod, "spec", "containers").flatMap((container) => list(container, "ports"));
  return list(service, "spec", "ports").flatMap((port) => {
    const target = at(port, "targetPort") ?? at(port, "port");
    const protocol = text(port, "protocol");
    const meant = named.find((each) => text(each, "name") === target && text(each, "protocol") === protocol);
    const found = typeof target === "number" ? target : number(meant, "containerPort");
    const appProtocol = at(port, "appProtocol");
    return found === undefined ? [] : [{ name: text(port, "name"), port: found, protocol, appProtocol }];
  });
}

/** Pods by the ports that they have. */
type Groups = ReadonlyMap<string, readonly JsonObject[]>;

function writeSlices(client: Client, service: JsonObject, groups: Groups): void {
  const own = { ...sliceManager, [serviceLabel]: nameOf(service) };
  const names = [...groups].map(([ports, pods]) => {
    const name = `${nameOf(service)}-${hashOf(ports)}`;
    client.ensure(sliceKey, namespaceOf(service), {
      metadata: { name, labels: { ...labelsFor(service), ...own }, ...ownedBy(service) },
      addressType: "IPv4",
      endpoints: pods.map((pod) => endpointOf(service, pod)),
      ports: parseJson(ports),
    });
    return name;
  });
  for (const slice of client.store.list(sliceKey, namespaceOf(service)))
    if (selects({ matchLabels: own }, labelsOf(slice)) && !names.includes(nameOf(slice))) client.remove(slice);
}

const isAnyPublished = (service: JsonObject): boolean => at(service, "spec", "publishNotReadyAddresses") === true;

function endpointOf(service: JsonObject, pod: JsonObject): JsonObject {
  const serving = isReady(pod);
  const ready = isAnyPublished(service) || (serving && !isGoing(pod));
  const { ip = "", ...place } = addressOf(pod);
  return {
    ...place,
    addresses: [ip],
    conditions: { ready, serving, terminating: isGoing(pod) },
  };
}

function addressOf(pod: JsonObject): JsonObject {
  const targetRef = { kind: "Pod", namespace: namespaceOf(pod), name: nameOf(pod), uid: uidOf(pod) };
  return { ip: text(pod, "status", "podIP"), nodeName: nodeNameOf(pod), targetRef };
}

function writeEndpoints(client: Client, service: JsonObject, groups: Groups): void {
  const subsets = [...groups].flatMap(([ports, all]): Json[] => {
    const isServed = (pod: JsonObject): boolean => isReady(pod) || isAnyPublished(service);
    const pods = all.filter((pod) => !isGoing(pod) || isAnyPublished(service));
    const addresses = pods.filter(isServed).map(addressOf);
    const notReadyAddresses = pods.filter((pod) => !isServed(pod)).map(addressOf);
    return pods.length === 0 ? [] : [{ addresses, notReadyAddresses, ports: parseJson(ports) }];
  });
  const metadata = { name: nameOf(service), labels: { ...labelsFor(service), ...manager }, ...ownedBy(service) };
  client.ensure("endpoints", namespaceOf(service), { metadata, subsets });
}

function labelsFor(service: JsonObject): JsonObject {
  const isHeadless = text(service, "spec", "clusterIP") === "None";
  return { ...labelsOf(service), ...(isHeadless ? { "service.kubernetes.io/headless": "" } : {}) };
}
