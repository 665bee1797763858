// A bad night on Azure Container Instances.
import { MemoryGroups } from "../packages/virtual-kubelet/src/testing/memory-groups.ts";
import { AciWorld } from "./cloud/aci-world.ts";
import { cloudChaosSuite } from "./cloud/chaos-suite.ts";

cloudChaosSuite("Azure Container Instances", () => AciWorld.start(new MemoryGroups(), "runs"));
