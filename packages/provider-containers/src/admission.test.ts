// Pods that the node does not take, and why it says so.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type PodSpec, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { admit } from "./admission.ts";

const containers = [{ name: "main", image: "image" }];
const profiled = (type: string): Partial<PodSpec> => ({
  containers: [{ name: "main", image: "image", securityContext: { appArmorProfile: { type } } }],
});

describe("a pod", () => {
  const cases: readonly (readonly [string, Partial<PodSpec>, readonly string[], string | undefined])[] = [
    ["that asks for nothing", {}, [], undefined],
    [
      "with a safe sysctl",
      { securityContext: { sysctls: [{ name: "net.ipv4.tcp_syncookies", value: "1" }] } },
      [],
      undefined,
    ],
    [
      "with another sysctl",
      { securityContext: { sysctls: [{ name: "kernel.msgmax", value: "1" }] } },
      [],
      'SysctlForbidden: forbidden sysctl: "kernel.msgmax" not allowlisted',
    ],
    ["without AppArmor", profiled("Unconfined"), [], undefined],
    [
      "with AppArmor, on a host that has none",
      profiled("RuntimeDefault"),
      [],
      "AppArmor: Cannot enforce AppArmor: AppArmor is not enabled on the host",
    ],
    ["with AppArmor, on a host that has it", profiled("RuntimeDefault"), ["name=apparmor"], undefined],
  ];
  for (const [what, spec, securityOptions, expected] of cases)
    test(what, () => {
      let said: string | undefined;
      try {
        admit({ spec: { containers, ...spec } }, { allowedUnsafeSysctls: [] }, { securityOptions });
      } catch (error) {
        const { kind, reason, message } = VirtualKubeletError.from(error);
        assert.equal(kind, "Unsupported");
        said = `${reason}: ${message}`;
      }
      assert.equal(said, expected);
    });
});
