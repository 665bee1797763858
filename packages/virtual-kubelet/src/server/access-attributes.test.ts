// Every route and method with what has to be granted for it, and the paths that are never authorised.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { VirtualKubeletError } from "../errors.ts";
import { accessAttributes, forbiddenText, pathOf } from "./access-attributes.ts";

const grants: Readonly<Record<string, readonly string[]>> = {
  stats: ["/stats", "/stats/", "/stats/summary", "/stats/anything/else"],
  metrics: [
    "/metrics",
    "/metrics/",
    "/metrics/slis",
    "/metrics/cadvisor",
    "/metrics/resource",
    "/metrics/probes",
    "/metrics/unknown",
  ],
  log: ["/logs", "/logs/", "/logs/syslog", "/logs/pods/a%20b/0.log"],
  checkpoint: ["/checkpoint/ns/pod/main", "/checkpoint"],
  statusz: ["/statusz", "/statusz/"],
  configz: ["/flagz"],
  "pods proxy": ["/pods", "/pods/", "/runningpods", "/runningpods/", "/pods/anything"],
  "healthz proxy": ["/healthz", "/healthz/", "/healthz/ping", "/healthz/log", "/healthz/syncloop"],
  "configz proxy": ["/configz", "/configz/"],
  proxy: [
    "/",
    "/containerLogs/ns/pod/main",
    "/exec/ns/pod/main",
    "/exec/ns/pod/uid/main",
    "/attach/ns/pod/main",
    "/attach/ns/pod/uid/main",
    "/portForward/ns/pod",
    "/portForward/ns/pod/uid",
    "/run/ns/pod/main",
    "/run/ns/pod/uid/main",
    "/debug/pprof/heap",
    "/debug/flags/v",
    "/allocatedPods",
    // Like another route, and not it.
    "/metricsx",
    "/metrics;a=b",
    "/metrics.json",
    "/Metrics",
    "/PODS",
    "/runningPods/",
    "/podsandmore",
    "/healthz2",
    "/configzz/",
    "/statszz",
    "/exec/metrics",
    "/containerLogs/ns/pod/metrics",
    "/unknown/metrics/resource",
    "/log",
    "/stat",
  ],
};

describe("what has to be granted", () => {
  for (const [subresources, paths] of Object.entries(grants)) {
    for (const path of paths) {
      it(`${path}: ${subresources}`, () => {
        assert.deepEqual(accessAttributes("node-a", "GET", path), {
          node: "node-a",
          verb: "get",
          subresources: subresources.split(" "),
        });
      });
    }
  }

  for (const [method, verb] of Object.entries({
    POST: "create",
    GET: "get",
    PUT: "update",
    PATCH: "patch",
    DELETE: "delete",
    HEAD: "",
    OPTIONS: "",
    CONNECT: "",
    TRACE: "",
    get: "",
    constructor: "",
  })) {
    it(`${method} is the verb ${JSON.stringify(verb)}`, () => {
      assert.equal(accessAttributes("node-a", method, "/exec/ns/pod/main").verb, verb);
    });
  }

  it("is no word of the language", () => {
    for (const name of ["constructor", "__proto__", "toString"])
      assert.deepEqual(accessAttributes("node-a", "GET", `/${name}`).subresources, ["proxy"]);
  });
});

const refused = [
  "",
  "*",
  "metrics",
  "http://node/metrics",
  "//metrics",
  "//host/metrics",
  "/metrics//resource",
  "/pods//",
  "/./metrics",
  "/../metrics",
  "/metrics/../exec/ns/pod/main",
  "/metrics/..",
  "/metrics/.",
  "/%2e%2e/metrics",
  "/metrics/%2E%2e/exec/ns/pod/main",
  "/metrics/.%2e/exec",
  "/metrics%2Fresource",
  "/metrics%2f..%2fexec/ns/pod/main",
  "/exec/ns/pod%2Fother/main",
  "/exec/ns/pod%5cother/main",
  "/exec\\ns",
  "/%6detrics",
  "/metric%73/resource",
  "/metrics%00",
  "/exec/ns/pod/%00",
  "/exec/ns/pod/%",
  "/exec/ns/pod/%zz",
  "/exec/ns/pod/%ff",
  "/metrics#fragment",
  "/metrics#?query",
  "/metrics\r\nX: y",
  "/me trics",
  "/métrics",
  "/metrics\0",
];

describe("a path that could be read in two ways", () => {
  for (const path of refused) {
    it(`is never authorised: ${JSON.stringify(path)}`, () => {
      const invalid = (error: unknown): boolean => error instanceof VirtualKubeletError && error.kind === "Invalid";
      assert.throws(() => accessAttributes("node-a", "GET", path), invalid);
      assert.throws(() => pathOf(path), invalid);
      assert.throws(() => pathOf(`${path}?timeout=1`), invalid);
    });
  }

  it("is told from its query", () => {
    assert.equal(pathOf("/exec/ns/pod/main?command=/bin/../sh&a=//b%2f?"), "/exec/ns/pod/main");
    assert.equal(pathOf("/logs/a%20b%C3%A9?"), "/logs/a%20b%C3%A9");
    assert.throws(() => accessAttributes("node-a", "GET", "/pods?a=b"));
  });

  it("is not repeated in the error", () => {
    assert.throws(
      () => pathOf("//secret-thing"),
      (error: unknown) => error instanceof Error && !error.message.includes("secret"),
    );
  });

  it("does not get through: any accepted path means the same to a reader that resolves and decodes it", () => {
    const piece = fc.constantFrom(
      "/",
      "//",
      ".",
      "..",
      "%2e",
      "%2F",
      "%5c",
      "%25",
      "metrics",
      "exec",
      "a",
      "%6d",
      ";",
      "\\",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const target = `/${pieces.join("")}`;
        let path: string;
        try {
          path = pathOf(target);
        } catch {
          return;
        }
        const { pathname } = new URL(target, "http://node");
        assert.equal(pathname, path, "resolved by another reader");
        assert.equal(decodeURIComponent(path).split("/").length, path.split("/").length, "as many segments decoded");
        assert.equal(decodeURIComponent(path).split("/")[1], path.split("/")[1], "the same first segment decoded");
        accessAttributes("node-a", "GET", path);
      }),
      { numRuns: 3000 },
    );
  });
});

it("a refusal is worded as a kubelet's", () => {
  const user = { username: "system:serviceaccount:a:b", groups: [] };
  assert.equal(
    forbiddenText(user, accessAttributes("node-a", "GET", "/pods")),
    "Forbidden (user=system:serviceaccount:a:b, verb=get, resource=nodes, subresource(s)=[pods proxy])\n",
  );
  assert.equal(
    forbiddenText(user, accessAttributes("node-a", "HEAD", "/metrics")),
    "Forbidden (user=system:serviceaccount:a:b, verb=, resource=nodes, subresource(s)=[metrics])\n",
  );
});
