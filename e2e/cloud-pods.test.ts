// Pods on each cloud, all at the same time: the groups of their fakes are real containers. Needs root on Linux and podman.
import { describe } from "node:test";
import { AciWorld } from "./cloud/aci-world.ts";
import { EciWorld } from "./cloud/eci-world.ts";
import { FargateWorld } from "./cloud/fargate-world.ts";
import { NomadWorld } from "./cloud/nomad-world.ts";
import { PodmanGroups } from "./cloud/podman-groups.ts";
import { cloudPodsSuite } from "./cloud/pods-suite.ts";
import { benchImage, PodmanBench } from "./podman.ts";

describe("pods on clouds", { concurrency: true }, () => {
  cloudPodsSuite("Azure Container Instances", async () => {
    const podman = await PodmanBench.start();
    return AciWorld.start(new PodmanGroups(podman), benchImage, () => podman[Symbol.asyncDispose]());
  });
  cloudPodsSuite("AWS Fargate", async () => {
    const podman = await PodmanBench.start();
    return FargateWorld.start(new PodmanGroups(podman), benchImage, benchImage, () => podman[Symbol.asyncDispose]());
  });
  cloudPodsSuite("HashiCorp Nomad", async () => {
    const podman = await PodmanBench.start();
    return NomadWorld.start(new PodmanGroups(podman), benchImage, () => podman[Symbol.asyncDispose]());
  });
  cloudPodsSuite("Alibaba Cloud ECI", async () => {
    const podman = await PodmanBench.start();
    return EciWorld.start(new PodmanGroups(podman), benchImage, benchImage, () => podman[Symbol.asyncDispose]());
  });
});
