// The rules of HTTPS_PROXY and NO_PROXY, as Go programs read them.
import assert from "node:assert/strict";
import { test } from "node:test";
import { proxyFromEnvironment } from "./proxy.ts";

test("which proxy", () => {
  const proxy = "http://proxy:3128";
  for (const [server, env, expected] of [
    ["https://api:6443", {}, undefined],
    ["https://api:6443", { HTTPS_PROXY: proxy }, proxy],
    ["https://api:6443", { https_proxy: "proxy:3128" }, proxy],
    ["https://api:6443", { HTTP_PROXY: proxy }, undefined],
    ["http://api:8080", { HTTP_PROXY: proxy }, proxy],
    ["https://localhost:6443", { HTTPS_PROXY: proxy }, undefined],
    ["https://127.0.0.2:6443", { HTTPS_PROXY: proxy }, undefined],
    ["https://[::1]:6443", { HTTPS_PROXY: proxy }, undefined],
  ] as const)
    assert.equal(proxyFromEnvironment(new URL(server), env), expected, `${server} ${JSON.stringify(env)}`);
});

test("which servers need none", () => {
  for (const [server, rules, exempt] of [
    ["https://api.example.com", "*", true],
    ["https://api.example.com", "example.com", true],
    ["https://api.example.com", " .example.com ", true],
    ["https://api.example.com", "*.example.com", true],
    ["https://example.com", ".example.com", false],
    ["https://example.com", "example.com", true],
    ["https://badexample.com", "example.com", false],
    ["https://API.example.com", "api.EXAMPLE.com", true],
    ["https://api.example.com:6443", "example.com:6443", true],
    ["https://api.example.com:6443", "example.com:443", false],
    ["https://api.example.com", "example.com:443", true],
    ["https://10.1.2.3:6443", "10.1.2.3", true],
    ["https://10.1.2.3:6443", "other,10.0.0.0/8", true],
    ["https://10.1.2.3:6443", "10.2.0.0/16", false],
    ["https://10.1.2.3:6443", "10.0.0.0/99", false],
    ["https://[fd00::5]:6443", "fd00::/8", true],
    ["https://[fd00::5]:6443", "[fd00::5]:6443", true],
    ["https://[fd00::5]:6443", "10.0.0.0/8", false],
    ["https://api", "", false],
  ] as const) {
    const found = proxyFromEnvironment(new URL(server), { HTTPS_PROXY: "http://p", NO_PROXY: rules });
    assert.equal(found, exempt ? undefined : "http://p", `${server} by ${rules}`);
  }
});
