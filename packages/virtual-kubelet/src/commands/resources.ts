// What the words for kinds mean: the usual ones at once, all others by the server's discovery.
import { isErrorKind } from "../errors.ts";
import { hint } from "../host/closest.ts";
import { type KubeObject, type Resource, resource } from "../kube/resource.ts";
import { isObject } from "../kube/stored.ts";
import type { Cluster } from "./cluster.ts";
import { WrongUse } from "./invocation.ts";

interface Named {
  readonly resource: Resource<KubeObject>;
  readonly names: readonly string[];
}

const known = (apiVersion: string, kind: string, plural: string, namespaced: boolean, ...short: string[]): Named => ({
  resource: resource(apiVersion, kind, plural, namespaced),
  names: [plural, kind.toLowerCase(), ...short],
});

const usual: readonly Named[] = [
  known("v1", "Pod", "pods", true, "po"),
  known("v1", "Node", "nodes", false, "no"),
  known("v1", "Event", "events", true, "ev"),
  known("apps/v1", "Deployment", "deployments", true, "deploy"),
  known("batch/v1", "Job", "jobs", true),
  known("apps/v1", "ReplicaSet", "replicasets", true, "rs"),
  known("apps/v1", "DaemonSet", "daemonsets", true, "ds"),
  known("apps/v1", "StatefulSet", "statefulsets", true, "sts"),
  known("v1", "Service", "services", true, "svc"),
  known("v1", "ConfigMap", "configmaps", true, "cm"),
  known("v1", "Secret", "secrets", true),
  known("v1", "Namespace", "namespaces", false, "ns"),
];

/** Throws WrongUse for what the server does not have. */
export async function findResource(cluster: Cluster, word: string): Promise<Resource<KubeObject>> {
  const name = word.toLowerCase();
  const at = (all: readonly Named[]): Named | undefined => all.find(({ names }) => names.includes(name));
  const found = at(usual) ?? at(await discover(cluster));
  if (found !== undefined) return found.resource;
  const plurals = usual.map((each) => each.resource.plural);
  throw new WrongUse(`the server doesn't have a resource type "${word}"${hint(name, plurals)}`);
}

async function discover(cluster: Cluster): Promise<readonly Named[]> {
  const groups = listOf(await cluster.json("/apis"), "groups").map(({ preferredVersion }) =>
    isObject(preferredVersion) ? preferredVersion["groupVersion"] : undefined,
  );
  const versions = ["v1", ...groups.filter((version) => typeof version === "string")];
  const found = await Promise.all(
    versions.map(async (version) => {
      const path = version.includes("/") ? `/apis/${version}` : `/api/${version}`;
      try {
        return listOf(await cluster.json(path), "resources").flatMap((each) => namedOf(each, version));
      } catch (error) {
        // Groups that others serve may be away.
        if (isErrorKind(error, "Unavailable", "NotFound", "Forbidden")) return [];
        throw error;
      }
    }),
  );
  return found.flat();
}

function namedOf(each: Readonly<Record<string, unknown>>, version: string): readonly Named[] {
  const { name, singularName, kind, namespaced, shortNames, verbs } = each;
  if (typeof name !== "string" || typeof kind !== "string" || name.includes("/")) return [];
  if (!Array.isArray(verbs) || !verbs.includes("get")) return [];
  const short = Array.isArray(shortNames) ? shortNames.map(String) : [];
  const group = version.includes("/") ? version.slice(0, version.indexOf("/")) : "";
  const names = [name, String(singularName), kind.toLowerCase(), ...short];
  return [
    {
      resource: resource(version, kind, name, namespaced === true),
      names: group === "" ? names : [...names, ...names.map((one) => `${one}.${group}`)],
    },
  ];
}

function listOf(value: unknown, key: string): readonly Readonly<Record<string, unknown>>[] {
  const list = isObject(value) ? value[key] : undefined;
  return Array.isArray(list) ? list.filter(isObject) : [];
}
