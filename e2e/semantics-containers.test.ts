// Pods that are containers of an engine are played as a kubelet plays them.
import { providerSemantics } from "../packages/virtual-kubelet/src/testing/provider-semantics.ts";
import { ContainersSubject } from "./containers.ts";

providerSemantics("containers", { open: () => ContainersSubject.start({ withNode: true }), resize: true });
