// Which volumes a helper brings, where there is one.
import assert from "node:assert/strict";
import { it } from "node:test";
import type { ResolvedVolume } from "@virtual-kubelet/virtual-kubelet";
import { translatedVolumes } from "./volumes.ts";

it("those that may change, as far as a helper can be handed them; the others are the cloud's own", () => {
  const sizes = { small: 1000, large: 200_000, more: 100_000, last: 1000 };
  const names = Object.keys(sizes);
  const resolved = Object.entries(sizes).map(
    ([name, size]): ResolvedVolume => ({
      ...{ name, type: "files", memory: false },
      files: [{ path: "key", mode: 0o644, data: Buffer.alloc(size), secret: false }],
    }),
  );
  const translated = (helperImage: string) =>
    translatedVolumes({
      spec: { containers: [], volumes: names.map((name) => ({ name, configMap: { name } })) },
      ...{ namespace: "default", resolved, mounted: new Set(names), parts: [], config: { helperImage } },
    });
  const { volumes, delivered } = translated("helper:1");
  assert.deepEqual([...delivered.keys()], ["small", "large", "last"]);
  assert.deepEqual(
    volumes.filter(({ secret }) => secret !== undefined).map(({ name }) => name),
    ["more"],
  );
  assert.deepEqual([...translated("").delivered.keys()], []);
});
