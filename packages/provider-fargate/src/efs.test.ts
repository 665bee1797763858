// Claims that are bound to volumes of EFS, and those that are not.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { ClaimedVolume } from "@virtual-kubelet/virtual-kubelet";
import { claimedEfsVolume } from "./efs.ts";

const field = "spec.volumes[0].persistentVolumeClaim";
const of = (csi: Partial<NonNullable<ClaimedVolume["csi"]>>, mountOptions?: readonly string[]) =>
  claimedEfsVolume(
    { name: "pv", csi: { driver: "efs.csi.aws.com", volumeHandle: "fs-1", ...csi }, mountOptions },
    field,
  );

describe("a claim", () => {
  it("is a file system, a path of it, or an access point, as its driver reads handle and options", () => {
    const plain = { fileSystemId: "fs-1", transitEncryption: "ENABLED" };
    assert.deepEqual(of({}), plain);
    assert.deepEqual(of({ volumeHandle: "fs-1:/data" }), { ...plain, rootDirectory: "/data" });
    const point = { ...plain, authorizationConfig: { accessPointId: "fsap-2" } };
    assert.deepEqual(of({ volumeHandle: "fs-1::fsap-2" }), point);
    assert.deepEqual(of({}, ["tls", "accesspoint=fsap-2"]), point);
    assert.deepEqual(of({}, ["iam"]), { ...plain, authorizationConfig: { iam: "ENABLED" } });
    const volumeAttributes = { encryptInTransit: "false", "storage.kubernetes.io/csiProvisionerIdentity": "x" };
    assert.deepEqual(of({ volumeAttributes }), { ...plain, transitEncryption: "DISABLED" });
  });

  it("of another kind, or with what ECS lacks, is refused with its field", () => {
    const refused = (work: () => unknown, message: RegExp, kind = "Unsupported"): void =>
      assert.throws(work, (error) => {
        assert.ok(error instanceof Error && "kind" in error && "field" in error);
        assert.deepEqual([error.kind, String(error.field).startsWith(field)], [kind, true]);
        assert.match(error.message, message);
        return true;
      });
    refused(() => of({ driver: "ebs.csi.aws.com" }), /persistent volume pv: .* not of ebs\.csi\.aws\.com/);
    refused(() => claimedEfsVolume({ name: "pv" }, field), /not of its type/);
    refused(() => claimedEfsVolume({ name: "pv", nfs: { server: "nas", path: "/" } }, field), /EFS alone/);
    refused(() => of({}, ["nconnect=4"]), /no mount option nconnect=4/);
    refused(() => of({ volumeHandle: "vol-1" }), /"vol-1" is no file system/, "Invalid");
  });
});
