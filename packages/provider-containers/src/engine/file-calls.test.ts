// Files out of containers, as engines send them: tar files, cut anywhere, and links.
import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { ScriptedEngine } from "../testing/scripted-engine.ts";
import { connectEngine } from "./connect.ts";

function entry(type: string, content: string, link = ""): Buffer {
  const header = Buffer.alloc(512);
  header.write("name", 0);
  header.write(Buffer.byteLength(content).toString(8).padStart(11, "0"), 124);
  header.write(type, 156);
  header.write(link, 157);
  return Buffer.concat([header, Buffer.from(content), Buffer.alloc(512)]);
}

test("a file is read, also where links lead to it; what is none is not there", async () => {
  const files: Readonly<Record<string, Buffer>> = {
    "/etc/passwd": entry("2", "", "../store/x/passwd"),
    "/store/x/passwd": entry("2", "", "/store/y"),
    "/store/y": entry("0", "root:x:0:0::/:/bin/sh\n"),
    "/etc/group": entry("5", ""),
    "/etc/shadow": Buffer.concat([
      entry("x", `${"1 mtime=1\n30 linkpath=/store/y\n".padEnd(512)}`).subarray(0, 1024),
      entry("2", "", "/cut"),
    ]),
    "/loop": entry("2", "", "loop"),
  };
  await using engine = await ScriptedEngine.start({
    answer: (request, response) => {
      const path = /^GET \/containers\/a\/archive\?path=(.*)$/.exec(request)?.[1];
      const tar = path === undefined ? undefined : files[decodeURIComponent(path)];
      if (tar === undefined) return false;
      response.writeHead(200);
      response.write(tar.subarray(0, 100));
      response.end(tar.subarray(100));
      return true;
    },
  });
  using client = connectEngine({ type: "unix", path: engine.path }, { log: silentLogger });
  const read = async (path: string): Promise<string | undefined> => {
    const found = await client.readContainerFile("a", path, { signal: AbortSignal.timeout(60_000) });
    return found === undefined ? undefined : Buffer.from(found).toString();
  };
  for (const path of ["/etc/passwd", "/etc/shadow"]) assert.equal(await read(path), "root:x:0:0::/:/bin/sh\n", path);
  for (const path of ["/etc/group", "/loop", "/none"]) assert.equal(await read(path), undefined, path);
});
