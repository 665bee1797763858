// A bad night on AWS Fargate.
import { MemoryGroups } from "../packages/virtual-kubelet/src/testing/memory-groups.ts";
import { cloudChaosSuite } from "./cloud/chaos-suite.ts";
import { FargateWorld } from "./cloud/fargate-world.ts";

cloudChaosSuite("AWS Fargate", () => FargateWorld.start(new MemoryGroups(), "runs", ""));
