import assert from "node:assert/strict";
import { test } from "node:test";
import { checkProfiles, unenforcedNotes } from "./unenforced-security.ts";

test("profiles of a node are refused, a cloud's own and none are not", () => {
  for (const type of ["RuntimeDefault", "Unconfined"])
    checkProfiles({ seccompProfile: { type }, appArmorProfile: { type } }, "spec.securityContext");
  assert.throws(() => checkProfiles({ appArmorProfile: { type: "Localhost" } }, "spec.securityContext"), {
    kind: "Unsupported",
    field: "spec.securityContext.appArmorProfile",
  });
});

test("what is not held is told of each, or the first refused", () => {
  const unenforced = [
    ["spec.securityContext.fsGroup", "no owners"],
    ["spec.securityContext.seLinuxOptions", "no SELinux"],
  ] as const;
  assert.deepEqual(unenforcedNotes([], "refuse"), []);
  assert.deepEqual(
    unenforcedNotes(unenforced, "warn").map(({ eventType, message }) => `${eventType} ${message}`),
    ["Warning spec.securityContext.fsGroup: no owners", "Warning spec.securityContext.seLinuxOptions: no SELinux"],
  );
  assert.throws(() => unenforcedNotes(unenforced, "refuse"), {
    kind: "Unsupported",
    field: "spec.securityContext.fsGroup",
    message: /no owners .*unenforcedSecurity: warn/,
  });
});
