// Which rights follow from a configuration.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { loadConfig } from "../program/load-config.ts";
import { neededAccess } from "./needed-access.ts";

const admin = "kubernetes-admin";

describe("rights that are needed", () => {
  const text = async (user: string, resolves: boolean, ...flags: readonly string[]): Promise<readonly string[]> => {
    const argv = ["--provider=mock", "--nodename=vk", ...flags];
    const { config } = await loadConfig({ argv, env: {}, cwd: "/" });
    return neededAccess(config, user, resolves).flatMap(({ verbs, resource, name = "*" }) =>
      verbs.map((verb) => `${verb} ${resource} ${name}`),
    );
  };
  test("by the configuration", async () => {
    const plain = await text(admin, false);
    assert.ok(plain.includes("patch pods/status *") && !plain.includes("delete nodes vk"));
    assert.ok(!plain.some((one) => /secrets|certificatesigning/.test(one)));
    const full = await text(admin, true, "--shutdown-node=delete", "--server-tls-bootstrap", "--pod-status-form=put");
    for (const one of [
      "delete nodes vk",
      "list secrets *",
      "create certificatesigningrequests *",
      "update pods/status *",
    ])
      assert.ok(full.includes(one), one);
    const reviews = async (...flags: readonly string[]): Promise<readonly string[]> =>
      (await text(admin, true, ...flags)).filter((one) => one.includes("reviews"));
    const [who, what] = ["create tokenreviews *", "create subjectaccessreviews *"];
    assert.deepEqual(await reviews(), [who, what]);
    assert.deepEqual(await reviews("--insecure-skip-authorization"), [who]);
    assert.deepEqual(await reviews("--kubelet-api=false"), []);
    const viewAlone = ["--kubelet-api=false", "--web-view", "--metrics-addr=127.0.0.1:10255"];
    assert.deepEqual(await reviews(...viewAlone), [who, what]);
    assert.deepEqual(await reviews(...viewAlone, "--insecure-skip-authorization"), [who, what]);
    assert.deepEqual(await reviews(...viewAlone, "--insecure-web-view-without-authentication"), []);
    const many = await text(admin, false, "--nodes=11");
    assert.ok(many.includes("watch nodes *") && many.includes("patch nodes vk-0") && plain.includes("watch nodes vk"));
  });
  test("node credentials are asked about their own objects", async () => {
    const own = await text("system:node:vk", true);
    assert.ok(own.includes("patch nodes/status vk") && own.includes("update leases vk"));
    assert.ok(!own.some((one) => /secrets|pods/.test(one)));
  });
});
