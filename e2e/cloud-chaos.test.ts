// A bad night on each cloud, all at the same time: they mostly wait.
import { describe } from "node:test";
import { MemoryGroups } from "../packages/virtual-kubelet/src/testing/memory-groups.ts";
import { AciWorld } from "./cloud/aci-world.ts";
import { cloudChaosSuite } from "./cloud/chaos-suite.ts";
import { EciWorld } from "./cloud/eci-world.ts";
import { FargateWorld } from "./cloud/fargate-world.ts";
import { NomadWorld } from "./cloud/nomad-world.ts";

describe("chaos on clouds", { concurrency: true }, () => {
  cloudChaosSuite("Azure Container Instances", () => AciWorld.start(new MemoryGroups(), "runs"));
  cloudChaosSuite("AWS Fargate", () => FargateWorld.start(new MemoryGroups(), "runs", ""));
  cloudChaosSuite("HashiCorp Nomad", () => NomadWorld.start(new MemoryGroups(), "runs"));
  cloudChaosSuite("Alibaba Cloud ECI", () => EciWorld.start(new MemoryGroups(), "runs", "exit-0"));
});
