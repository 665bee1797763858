import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { isErrorKind } from "@virtual-kubelet/virtual-kubelet";
import { addressText } from "./address-text.ts";
import { defaultEndpoint, parseEndpoint } from "./endpoint.ts";
import { sshArguments } from "./ssh-agent.ts";

const good: readonly (readonly [string, object])[] = [
  ["unix:///run/podman/podman.sock", { type: "unix", path: "/run/podman/podman.sock" }],
  ["tcp://engine:1234", { type: "tcp", host: "engine", port: 1234 }],
  ["tcp://engine", { type: "tcp", host: "engine", port: 2375 }],
  ["http://[::1]:1", { type: "tcp", host: "::1", port: 1 }],
  ["ssh://me@engine", { type: "ssh", host: "engine", port: 22, username: "me" }],
  ["ssh://engine:2222", { type: "ssh", host: "engine", port: 2222, username: "" }],
];
for (const [text, address] of good)
  test(text, () => assert.deepEqual(parseEndpoint(text, { insecurePlainHTTP: true }), address));

const bad = [
  ...["", "/run/x.sock", "unix://", "unix://run/x.sock", "npipe:////./pipe/docker", "tcp://", "tcp://engine/path"],
  ...[
    "tcp://me:secret@engine",
    "ssh://me:secret@engine",
    "ssh://-oProxyCommand=x",
    "ssh://a%20b@engine",
    "https://engine",
  ],
];
for (const text of bad)
  test(`not "${text}"`, () => {
    assert.throws(
      () => parseEndpoint(text, { insecurePlainHTTP: true }),
      (error) => isErrorKind(error, "Invalid") && !String(error).includes("secret"),
    );
  });

test("plain HTTP is asked for by name; certificates are read", (t) => {
  assert.throws(() => parseEndpoint("tcp://engine:1", {}), /needs tls/);
  const directory = mkdtempSync(join(tmpdir(), "endpoint-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const files = { caFile: join(directory, "ca"), certFile: join(directory, "cert"), keyFile: join(directory, "key") };
  assert.throws(() => parseEndpoint("tcp://engine", { tls: files }), /tls\.caFile: .* cannot be read/);
  for (const path of Object.values(files)) writeFileSync(path, path.slice(directory.length + 1));
  assert.deepEqual(parseEndpoint("tcp://engine", { tls: files }), {
    ...{ type: "tcp", host: "engine", port: 2376, tls: { ca: "ca", cert: "cert", key: "key" } },
  });
});

test("where engines are looked for", () => {
  const none = (): boolean => false;
  assert.equal(defaultEndpoint({ DOCKER_HOST: "tcp://a", CONTAINER_HOST: "tcp://b" }, none), "tcp://a");
  assert.equal(defaultEndpoint({ DOCKER_HOST: "", CONTAINER_HOST: "tcp://b" }, none), "tcp://b");
  assert.equal(
    defaultEndpoint({}, () => true),
    "unix:///run/podman/podman.sock",
  );
  assert.equal(
    defaultEndpoint({}, (path) => path.includes("docker")),
    "unix:///var/run/docker.sock",
  );
  assert.equal(defaultEndpoint({}, none), "unix:///var/run/docker.sock");
});

test("addresses as text; what ssh is told", () => {
  for (const text of ["unix:///a", "tcp://a:1", "ssh://me@a:22", "ssh://a:22"])
    assert.equal(addressText(parseEndpoint(text, { insecurePlainHTTP: true })), text);
  const told = sshArguments({ type: "ssh", host: "a", port: 5, username: "me" });
  assert.deepEqual(told.slice(-7, -1), ["-p", "5", "-l", "me", "--", "a"]);
  // Nobody is there to type a password, or to say yes to a key.
  assert.ok(told.includes("BatchMode=yes"));
});
