// A day with each kubectl on the development cluster, and the same day on a real control plane.
import { isErrorKind } from "../packages/virtual-kubelet/src/errors.ts";
import { findKubectl } from "../packages/virtual-kubelet/src/testing/binaries.ts";
import { startControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { startDevControlPlane, usesDevCluster } from "./dev-control-plane.ts";
import { kubectlDay } from "./dev-day.ts";
import { findPeer } from "./peers.ts";

// Where Go cannot build it, the development cluster does with the one that is here.
const peer = await findPeer("kubectl-1.36").catch((error: unknown) => {
  if (usesDevCluster && isErrorKind(error, "Unavailable")) return undefined;
  throw error;
});
const newer = peer === undefined ? [] : [{ name: "kubectl 1.36", program: peer, env: {} }];

kubectlDay({
  name: "the development cluster",
  start: startDevControlPlane,
  clients: [{ name: "kubectl", program: await findKubectl(), env: {} }, ...newer],
  has: { metrics: true, onlyBuiltIns: true },
});
if (!usesDevCluster) {
  // metrics-server has its own suite.
  kubectlDay({
    name: "a real control plane",
    start: startControlPlane,
    clients: newer,
    has: { metrics: false, onlyBuiltIns: false },
  });
}
