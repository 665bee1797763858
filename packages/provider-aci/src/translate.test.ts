// Pods as container groups: each of testdata/pods with its golden file, written anew with UPDATE_GOLDEN=1. What a pod is refused for is
// in it, too.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, it } from "node:test";
import { errorText, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { assertGolden, resolvedRequests } from "@virtual-kubelet/virtual-kubelet/testing";
import { settings } from "./testing/settings.ts";
import { translateGroup } from "./translate.ts";

const directory = join(import.meta.dirname, "testdata/pods");
const files = readdirSync(directory).filter((name) => name.endsWith(".yaml"));

function translated(yaml: string): unknown {
  const [, name = ""] = /^# settings: (\w+)$/m.exec(yaml) ?? [];
  const config = settings[name];
  assert.ok(config !== undefined, `settings ${name}`);
  const [request] = resolvedRequests(yaml, { node: "vk-aci", cluster: "cluster-uid" });
  assert.ok(request !== undefined);
  try {
    const extras = config.network.kubeProxy === undefined ? {} : { kubeconfig: "kind: Config\n" };
    return translateGroup(request, { config, clusterDomain: "cluster.local", operatingSystem: "linux", extras });
  } catch (error) {
    const { kind, field } = VirtualKubeletError.from(error);
    assert.ok(kind === "Unsupported" || kind === "Invalid", errorText(error));
    return { refused: { kind, field, message: errorText(error) } };
  }
}

describe("a pod becomes a container group", () => {
  assert.ok(files.length >= 30);
  for (const file of files) {
    it(file.replace(".yaml", ""), async () => {
      const found = `${JSON.stringify(translated(readFileSync(join(directory, file), "utf8")), undefined, 2)}\n`;
      await assertGolden(join(directory, file.replace(".yaml", ".golden")), found);
    });
  }
});
