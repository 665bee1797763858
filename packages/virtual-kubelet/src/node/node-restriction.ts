// What a node's own credentials (user system:node:<name>) may change on its Node: the rules of the NodeRestriction admission plugin.

const allowedLabels: ReadonlySet<string> = new Set([
  "kubernetes.io/hostname",
  "kubernetes.io/os",
  "kubernetes.io/arch",
  "beta.kubernetes.io/os",
  "beta.kubernetes.io/arch",
  "beta.kubernetes.io/instance-type",
  "node.kubernetes.io/instance-type",
  "topology.kubernetes.io/zone",
  "topology.kubernetes.io/region",
  "failure-domain.beta.kubernetes.io/zone",
  "failure-domain.beta.kubernetes.io/region",
]);

const isWithin = (domain: string, parent: string): boolean => domain === parent || domain.endsWith(`.${parent}`);

/** May a node user set, change or remove this label on its own Node? */
export function nodeUserMayLabel(key: string): boolean {
  if (allowedLabels.has(key)) return true;
  const slash = key.indexOf("/");
  if (slash < 0) return true;
  const domain = key.slice(0, slash);
  if (isWithin(domain, "node-restriction.kubernetes.io")) return false;
  if (isWithin(domain, "kubelet.kubernetes.io") || isWithin(domain, "node.kubernetes.io")) return true;
  return !isWithin(domain, "kubernetes.io") && !isWithin(domain, "k8s.io");
}
