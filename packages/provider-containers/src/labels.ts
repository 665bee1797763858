// What the provider writes on its containers: all that is needed to find a pod again when nothing else is left. Labels of an
// engine never change, so what does change is kept in the state directory as well.

const prefix = "io.virtual-kubelet.containers";

export const labels: Readonly<
  Record<
    "kind" | "cluster" | "node" | "namespace" | "pod" | "uid" | "container" | "attempt" | "notes" | "revision",
    string
  >
> = {
  /** "sandbox" or "container". */
  kind: `${prefix}.kind`,
  cluster: `${prefix}.cluster`,
  node: `${prefix}.node`,
  namespace: `${prefix}.pod-namespace`,
  pod: `${prefix}.pod-name`,
  uid: `${prefix}.pod-uid`,
  /** Of containers. */
  container: `${prefix}.container-name`,
  attempt: `${prefix}.attempt`,
  /** JSON; as they were when it was made. */
  notes: `${prefix}.notes`,
  /** Of sandboxes: as it was when it was made. */
  revision: `${prefix}.revision`,
};
