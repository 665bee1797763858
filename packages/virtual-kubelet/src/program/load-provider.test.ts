// Providers by built-in name, npm package and path; and what is said about those that are none.
import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { silentLogger } from "../log.ts";
import type { ProviderInit } from "../provider.ts";
import { loadProvider, makeProvider } from "./load-provider.ts";

let directory = "";
const good = (mark: string): string =>
  `const f = async () => {}; export const createProvider = () => ({ mark: "${mark}", createPod: f, deletePod: f, getPodStatus: f, getPods: f });`;
const files: Readonly<Record<string, string>> = {
  "good.mjs": good("file"),
  "default.mjs": `${good("x").replace("export ", "")} export default { createProvider };`,
  "none.mjs": "export const createThing = 1; export const other = 2;",
  "nothing.mjs": "export const createProvider = () => undefined;",
  "broken.mjs": "throw new Error('at load');",
  "needs.mjs": "import 'not-installed-anywhere';",
  "half.mjs": "export const createProvider = () => ({ createPod() {}, getPods() {}, ping: 5 });",
  "node_modules/plain/package.json": '{"name":"plain","type":"module","main":"lib/index.js"}',
  "node_modules/plain/lib/index.js": good("main"),
  "node_modules/@scope/esm/package.json":
    '{"name":"@scope/esm","type":"module","exports":{".":{"types":"./x.d.ts","import":{"node":"./esm.js"}},"./sub":"./sub.js"}}',
  "node_modules/@scope/esm/esm.js": good("exports"),
  "node_modules/unbuilt/package.json": '{"name":"unbuilt","type":"module","exports":"./dist/index.js"}',
  "node_modules/@scope/esm/sub.js": good("subpath"),
  "node_modules/@virtual-kubelet/provider-containers/package.json": '{"type":"module","exports":"./own.js"}',
  "node_modules/@virtual-kubelet/provider-containers/own.js": good("official"),
  "node_modules/@virtual-kubelet/provider-aci/package.json": '{"type":"module","exports":"./own.js"}',
  "node_modules/@virtual-kubelet/provider-aci/own.js": good("aci"),
  "node_modules/@virtual-kubelet/provider-fargate/package.json": '{"type":"module","exports":"./own.js"}',
  "node_modules/@virtual-kubelet/provider-fargate/own.js": good("fargate"),
  "node_modules/@virtual-kubelet/provider-nomad/package.json": '{"type":"module","exports":"./own.js"}',
  "node_modules/@virtual-kubelet/provider-nomad/own.js": good("nomad"),
  "node_modules/@virtual-kubelet/provider-eci/package.json": '{"type":"module","exports":"./own.js"}',
  "node_modules/@virtual-kubelet/provider-eci/own.js": good("eci"),
};
before(async () => {
  directory = await mkdtemp(join(tmpdir(), "program-provider-"));
  for (const [name, text] of Object.entries(files)) {
    await mkdir(dirname(join(directory, name)), { recursive: true });
    await writeFile(join(directory, name), text);
  }
});
after(() => rm(directory, { recursive: true }));

const init: ProviderInit = {
  node: "vk-0",
  operatingSystem: "linux",
  cluster: "c",
  clusterDomain: "cluster.local",
  daemonEndpointPort: 10250,
  log: silentLogger,
};
const context = { signal: new AbortController().signal, log: silentLogger };

describe("loads", () => {
  const cases: readonly (readonly [string, () => string, string])[] = [
    ["a relative path", () => "./good.mjs", "file"],
    ["an absolute path", () => join(directory, "good.mjs"), "file"],
    ["a file: URL", () => pathToFileURL(join(directory, "good.mjs")).href, "file"],
    ["a default export", () => "./default.mjs", "x"],
    ["an npm package by its main", () => "plain", "main"],
    ["an npm package by its exports", () => "@scope/esm", "exports"],
    ["a sub-path of an npm package", () => "@scope/esm/sub", "subpath"],
    ["an npm package by its short name", () => "containers", "official"],
    ["an npm package by the name that a Go provider goes by", () => "azure", "aci"],
    ["another one by it", () => "aws", "fargate"],
    ["the package of jobs of Nomad", () => "nomad", "nomad"],
    ["a third one by the name of a Go provider", () => "alibabacloud", "eci"],
  ];
  for (const [what, name, mark] of cases) {
    test(what, async () => {
      const provider = await makeProvider(await loadProvider(name(), directory), name(), init, context);
      assert.equal(Reflect.get(provider, "mark"), mark);
    });
  }
  test("the built-in mock", async () => assert.equal(typeof (await loadProvider("mock", directory)), "function"));
});

describe("tells", () => {
  const cases: readonly (readonly [string, string, string, RegExp])[] = [
    [
      "a name that is near a built-in one",
      "mok",
      "NotFound",
      /^no such provider: mok \(did you mean mock\?\); built in: mock, process, composite, containers, aci, fargate, nomad, eci; else/,
    ],
    ["a file that is not there", "./no.mjs", "NotFound", /^no such provider: \.\/no\.mjs; built in/],
    ["a name that is none", "a b%", "NotFound", /^no such provider: a b%/],
    ["an address", "unix:///run/x.sock", "Unsupported", /not supported by this version/],
    ["another address", "https://example.com", "Unsupported", /not supported by this version/],
    [
      "a module without createProvider",
      "./none.mjs",
      "Invalid",
      /no function createProvider among its exports \(createThing, other\)/,
    ],
    ["a module that throws", "./broken.mjs", "Invalid", /^the provider \.\/broken\.mjs cannot be loaded$/],
    ["a module whose import is missing", "./needs.mjs", "Invalid", /cannot be loaded/],
    [
      "a package that is not built",
      "unbuilt",
      "NotFound",
      /unbuilt is there, but its .*dist.index\.js is not: .*npm run build/,
    ],
    ["a sub-path that is not exported", "@scope/esm/private", "Invalid", /exports no "\.\/private"/],
  ];
  for (const [what, name, kind, message] of cases) {
    test(what, () => assert.rejects(loadProvider(name, directory), { kind, message }));
  }
  test("every method that a provider lacks", async () =>
    assert.rejects(makeProvider(await loadProvider("./half.mjs", directory), "./half.mjs", init, context), {
      kind: "Invalid",
      message:
        "the provider ./half.mjs lacks the methods deletePod, getPodStatus and has ping, which must be functions or absent",
    }));
  test("a provider that is nothing", async () =>
    assert.rejects(makeProvider(await loadProvider("./nothing.mjs", directory), "nothing", init, context), {
      kind: "Invalid",
      message: "the provider nothing lacks the methods createPod, deletePod, getPodStatus, getPods",
    }));
});
