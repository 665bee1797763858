// The vendor's SDK for Python drives the fake of Azure Resource Manager: an independent client, which takes its answers for the cloud's.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import { FakeArm } from "../packages/provider-aci/src/testing/fake-arm.ts";
import { MemoryGroups } from "../packages/virtual-kubelet/src/testing/memory-groups.ts";
import { findPython } from "./python-peers.ts";

test("the SDK for Python makes, watches, lists, tags and removes a group of the fake", async (t) => {
  const python = await findPython("azure-sdk");
  const fake = await FakeArm.start({ runner: new MemoryGroups() });
  const directory = await mkdtemp(join(tmpdir(), "vk-aci-python-"));
  t.after(async () => {
    await fake[Symbol.asyncDispose]();
    await rm(directory, { recursive: true });
  });
  const ca = join(directory, "ca.pem");
  await writeFile(ca, fake.ca);
  const program = join(import.meta.dirname, "peers/azure-sdk/drive.py");
  const args = [program, fake.url, fake.subscription, fake.tokens.mint(fake.endpoints.audience)];
  const { stdout } = await promisify(execFile)(python, args, {
    env: { ...process.env, REQUESTS_CA_BUNDLE: ca },
    timeout: 60_000,
  });
  const seen: unknown = JSON.parse(stdout);
  assert.deepEqual(seen, {
    provisioningState: "Succeeded",
    state: "Terminated",
    exitCode: 3,
    finished: new Date().getUTCFullYear(),
    secure: null,
    listed: ["python"],
    logs: "web env=1\n",
    usage: ["ContainerGroups", "StandardCores"],
    capabilities: 3,
    tags: { by: "nobody" },
    refused: "InvalidRequestContent",
    gone: "ResourceNotFound",
  });
  assert.deepEqual(fake.problems, ["request of create: properties.osType: Minix is none of Windows, Linux"]);
});
