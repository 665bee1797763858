// Pods on AWS Fargate: its fake's tasks are real containers. Needs root on Linux and podman.
import { FargateWorld } from "./cloud/fargate-world.ts";
import { PodmanGroups } from "./cloud/podman-groups.ts";
import { cloudPodsSuite } from "./cloud/pods-suite.ts";
import { benchImage, PodmanBench } from "./podman.ts";

cloudPodsSuite("AWS Fargate", async () => {
  const podman = await PodmanBench.start();
  return FargateWorld.start(new PodmanGroups(podman), benchImage, benchImage, () => podman[Symbol.asyncDispose]());
});
