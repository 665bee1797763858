// Pods that are processes of this machine are played as a kubelet plays them.
import { findCgroups } from "../packages/virtual-kubelet/src/host/cgroups.ts";
import { providerSemantics } from "../packages/virtual-kubelet/src/testing/provider-semantics.ts";
import { ownAddress, ProcessSubject } from "./semantics.ts";

providerSemantics("processes", {
  open: async () => new ProcessSubject({}, ownAddress()),
  resize: findCgroups() !== undefined,
});

providerSemantics("processes without control groups", {
  open: async () => new ProcessSubject({ cgroups: "off" }),
  resize: false,
  parts: ["resize"],
});
