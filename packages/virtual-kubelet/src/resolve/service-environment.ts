// The variables by which containers find Services. Pure.
import type { Stored } from "../kube/resource.ts";
import type { Service, ServicePort } from "../kube/types.gen.ts";

/** The Service of the API server itself, which every pod is told of. */
const apiServer = { namespace: "default", name: "kubernetes" };

/**
 * Variables for a pod of `namespace`: of the API server's Service always, of those of the namespace with `links`. By the
 * Services' names, and in one order for one set of Services.
 */
export function serviceVariables(
  services: Iterable<Stored<Service>>,
  namespace: string,
  links: boolean,
): ReadonlyMap<string, string> {
  const chosen = new Map<string, Service>();
  for (const service of services) {
    const { name, namespace: home } = service.metadata;
    if (!hasClusterIP(service)) continue;
    if (home === namespace && links) chosen.set(name, service);
    else if (home === apiServer.namespace && name === apiServer.name && !chosen.has(name)) chosen.set(name, service);
  }
  const names = [...chosen.keys()].sort();
  return new Map(names.flatMap((name) => variablesOf(name, chosen.get(name) ?? {})));
}

export function hasClusterIP(service: Service): boolean {
  const ip = service.spec?.clusterIP;
  return ip !== undefined && ip !== "" && ip !== "None";
}

function variablesOf(name: string, { spec }: Service): readonly (readonly [string, string])[] {
  const prefix = variableName(name);
  const ip = spec?.clusterIP ?? "";
  const ports = spec?.ports ?? [];
  const [first] = ports;
  if (first === undefined) return [[`${prefix}_SERVICE_HOST`, ip]];
  return [
    [`${prefix}_SERVICE_HOST`, ip],
    [`${prefix}_SERVICE_PORT`, String(first.port)],
    ...ports.flatMap(({ name: port, port: number }): [string, string][] =>
      port === undefined || port === "" ? [] : [[`${prefix}_SERVICE_PORT_${variableName(port)}`, String(number)]],
    ),
    [`${prefix}_PORT`, address(ip, first)],
    ...ports.flatMap((port): [string, string][] => {
      const { protocol = "TCP" } = port;
      const link = `${prefix}_PORT_${port.port}_${protocol.toUpperCase()}`;
      return [
        [link, address(ip, port)],
        [`${link}_PROTO`, protocol.toLowerCase()],
        [`${link}_PORT`, String(port.port)],
        [`${link}_ADDR`, ip],
      ];
    }),
  ];
}

function address(ip: string, { protocol = "TCP", port }: ServicePort): string {
  return `${protocol.toLowerCase()}://${ip.includes(":") ? `[${ip}]` : ip}:${port}`;
}

function variableName(name: string): string {
  return name.replaceAll("-", "_").toUpperCase();
}
