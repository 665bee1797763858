// The vendor's SDK for Python drives the fake of Elastic Container Instance: an independent client, with signatures of its own, which
// takes its answers for the cloud's.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { FakeEci } from "../packages/provider-eci/src/testing/fake-eci.ts";
import { MemoryGroups } from "../packages/virtual-kubelet/src/testing/memory-groups.ts";
import { findPython } from "./python-peers.ts";

// Made before anything has a deadline.
const python = await findPython("alibaba-sdk");

test("the SDK for Python makes, watches, enters and removes groups of the fake, with keys that are lent", async () => {
  await using fake = await FakeEci.start({ runner: new MemoryGroups() });
  const lent = { accessKeyId: "STS.python", accessKeySecret: "lent", securityToken: "the-token" };
  fake.keys.splice(0, 1, lent);
  const program = join(import.meta.dirname, "peers/alibaba-sdk/drive.py");
  const endpoint = fake.plainUrl.replace("http://", "");
  const args = [program, endpoint, lent.accessKeyId, lent.accessKeySecret, lent.securityToken];
  const { stdout } = await promisify(execFile)(python, args, { timeout: 300_000 });
  const seen: unknown = JSON.parse(stdout);
  assert.deepEqual(seen, {
    same: true,
    exitCode: 3,
    variables: 0,
    log: "web env=1\n",
    socket: "over the socket\n",
    again: 403,
    figures: "web",
    usage: 0.25,
    refused: "InvalidParameter",
    dryRun: "DryRun.Success",
  });
  assert.deepEqual(fake.problems, []);
  assert.deepEqual(
    fake.groups.created.map(({ name }) => name),
    ["python-job", "python-shell"],
  );
});
