// What a container does before its process, run by a real shell.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { promisify } from "node:util";
import { withSteps } from "./start-steps.ts";

let directory = "";
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "virtual-kubelet-steps-"));
});
after(() => rm(directory, { recursive: true, force: true }));

async function run(command: readonly string[] | undefined): Promise<string> {
  const [program = "", ...args] = command ?? [];
  return (await promisify(execFile)(program, args)).stdout;
}

describe("before the process", () => {
  it("nothing is done where nothing is asked for", () => {
    assert.deepEqual(withSteps(["a"], { copies: [] }), ["a"]);
    assert.equal(withSteps(undefined, { copies: [] }), undefined);
  });

  it("the working directory, made where it is not there; arguments stay as they are", async () => {
    const path = join(directory, "it's a new", "place");
    const command = withSteps(["/bin/sh", "-c", 'pwd; printf "%s|" "$@"', "sh", "a b", "it's", "$HOME", ""], {
      copies: [],
      workingDir: { path, field: "f" },
    });
    assert.equal(await run(command), `${path}\na b|it's|$HOME||`);
  });

  it("single files of volumes, in their place", async () => {
    const from = join(directory, "source");
    await writeFile(from, "content");
    const to = join(directory, "etc", "app", "app.yaml");
    await run(withSteps(["true"], { copies: [{ from, to, field: "f" }] }));
    assert.equal(await readFile(to, "utf8"), "content");
  });

  it("a step that fails ends the container, before its process begins", async () => {
    const copies = [{ from: "/no/such/file", to: join(directory, "x"), field: "f" }];
    await assert.rejects(run(withSteps(["echo", "began"], { copies })), (error: Error & { stdout?: string }) => {
      assert.equal(error.stdout, "");
      assert.match(error.message, /no\/such\/file/);
      return true;
    });
  });

  it("without a command it cannot be done", () => {
    assert.throws(
      () => withSteps(undefined, { copies: [], workingDir: { path: "/x", field: "spec.containers[0].workingDir" } }),
      { kind: "Unsupported", field: "spec.containers[0].workingDir" },
    );
  });
});
