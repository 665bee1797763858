// A day with each kubectl on the development cluster, and the same day on a real control plane.
import { findKubectl } from "../packages/virtual-kubelet/src/testing/binaries.ts";
import { startControlPlane } from "../packages/virtual-kubelet/src/testing/control-plane.ts";
import { startDevControlPlane, usesDevCluster } from "./dev-control-plane.ts";
import { kubectlDay } from "./dev-day.ts";
import { findNewerKubectl } from "./kubectl.ts";

const peer = await findNewerKubectl();
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
