import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Router } from "./router.ts";

const patterns = [
  "/pods",
  "/exec/{namespace}/{pod}/{container}",
  "/exec/{namespace}/{pod}/{uid}/{container}",
  "/logs/{path*}",
];
const router = new Router(patterns.map((pattern) => ({ pattern, methods: ["GET"], handler: pattern })));

const cases: readonly [path: string, pattern: string | undefined, params: Readonly<Record<string, string>>][] = [
  ["/pods", "/pods", {}],
  ["/pods/", "/pods", {}],
  ["/pods/x", undefined, {}],
  ["/Pods", undefined, {}],
  ["/", undefined, {}],
  ["/exec/a/b/c", "/exec/{namespace}/{pod}/{container}", { namespace: "a", pod: "b", container: "c" }],
  [
    "/exec/a/b/c/d/",
    "/exec/{namespace}/{pod}/{uid}/{container}",
    { namespace: "a", pod: "b", uid: "c", container: "d" },
  ],
  ["/exec/a/b", undefined, {}],
  ["/exec/a/b/c/d/e", undefined, {}],
  ["/exec/%61/b/c%20d", "/exec/{namespace}/{pod}/{container}", { namespace: "a", pod: "b", container: "c d" }],
  ["/logs", "/logs/{path*}", { path: "" }],
  ["/logs/", "/logs/{path*}", { path: "" }],
  ["/logs/a/b%2Dc", "/logs/{path*}", { path: "a/b-c" }],
];
for (const [path, pattern, params] of cases)
  test(`${path} is ${pattern ?? "nothing"}`, () => {
    const match = router.find(path);
    assert.equal(match?.route.handler, pattern);
    assert.deepEqual(match?.params ?? {}, params);
  });

test("parameters come back as they were put in", () => {
  const name = fc.string({ minLength: 1 }).filter((text) => text !== "." && text !== "..");
  fc.assert(
    fc.property(name, name, name, (namespace, pod, container) => {
      const path = `/exec/${[namespace, pod, container].map(encodeURIComponent).join("/")}`;
      assert.deepEqual(router.find(path)?.params, { namespace, pod, container });
    }),
  );
});
