// Pods on Azure Container Instances: its fake's groups are real containers. Needs root on Linux and podman.
import { AciWorld } from "./cloud/aci-world.ts";
import { PodmanGroups } from "./cloud/podman-groups.ts";
import { cloudPodsSuite } from "./cloud/pods-suite.ts";
import { benchImage, PodmanBench } from "./podman.ts";

cloudPodsSuite("Azure Container Instances", async () => {
  const podman = await PodmanBench.start();
  return AciWorld.start(new PodmanGroups(podman), benchImage, () => podman[Symbol.asyncDispose]());
});
