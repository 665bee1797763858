import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type CallContext, silentLogger, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { createNamed } from "./claimed-name.ts";

const context: CallContext = { signal: new AbortController().signal, log: silentLogger };
const body = { Image: "i", Labels: {}, HostConfig: {} };

/** An engine with names that are taken. */
function engine(taken: Set<string>, kind: "Conflict" | "Unavailable" = "Conflict") {
  return {
    createContainer: async (name: string): Promise<string> => {
      if (taken.has(name)) throw new VirtualKubeletError(kind, `the container name "${name}" is already in use`);
      taken.add(name);
      return `id of ${name}`;
    },
    removeContainer: async (name: string): Promise<void> => {
      taken.delete(name);
    },
  };
}

describe("a container under a name of ours", () => {
  const never = async (): Promise<boolean> => assert.fail("nobody has to look");
  it("is made", async () => {
    assert.equal(await createNamed(engine(new Set()), "a", body, never, context), "id of a");
  });

  it("is the one that a call before has made", async () => {
    const taken = new Set(["a"]);
    assert.equal(await createNamed(engine(taken), "a", body, async () => true, context), undefined);
    assert.deepEqual([...taken], ["a"]);
  });

  it("is made in place of what is none, and of that alone", async () => {
    const taken = new Set(["a", "b"]);
    assert.equal(await createNamed(engine(taken), "a", body, async () => false, context), "id of a");
    assert.deepEqual([...taken], ["b", "a"]);
  });

  it("is not made where the engine says something else", async () => {
    await assert.rejects(createNamed(engine(new Set(["a"]), "Unavailable"), "a", body, never, context), /in use/);
  });
});
