import assert from "node:assert/strict";
import { test } from "node:test";
import { type HintOptions, hintText } from "./hints.ts";
import { type Call, ownCommand, quote } from "./own-command.ts";

const options: HintOptions = {
  kubeconfig: "/tmp/a b/kubeconfig",
  own: "npx virtual-kubelet",
  isFound: true,
  hasKubectl: true,
  node: "vk-1",
  logFile: "/tmp/log",
  configFile: "/tmp/config.yaml",
};

test("lines for kubectl come first where there is one, else ours", () => {
  const both = hintText(options);
  assert.match(both, /In another terminal:\n {2}export KUBECONFIG='\/tmp\/a b\/kubeconfig'\n {2}kubectl get pods/);
  assert.ok(both.indexOf("kubectl get pods") < both.indexOf("npx virtual-kubelet get pods"));
  const ours = hintText({ ...options, hasKubectl: false });
  assert.match(ours, /In another terminal:\n {2}npx virtual-kubelet get pods -o wide\n/);
  assert.ok(ours.indexOf("export KUBECONFIG") > ours.indexOf("npx virtual-kubelet get pods"));
});

test("in a cluster of the user's every line names it", () => {
  const text = hintText({ ...options, kubeconfig: undefined, context: "kind", isFound: false });
  assert.doesNotMatch(text, /export/);
  for (const line of text.split("\n").filter((each) => /^ {2}(kubectl|npx) /.test(each)))
    assert.match(line, / --context kind\b/);
  const file = hintText({ ...options, isFound: false });
  assert.match(file, /exec -it deployment\/sample-web --kubeconfig '\/tmp\/a b\/kubeconfig' -- sh/);
});

const calls: readonly (readonly [string, Partial<Call>, string])[] = [
  ["npm start in a clone", { env: { npm_lifecycle_event: "start" } }, "npx virtual-kubelet"],
  [
    "npx in a project",
    { env: { npm_execpath: "/npm" }, script: "/p/node_modules/.bin/virtual-kubelet" },
    "npx virtual-kubelet",
  ],
  [
    "npx from a registry",
    { env: { npm_execpath: "/npm" }, module: "file:///home/me/.npm/_npx/12/node_modules/@virtual-kubelet/x/main.js" },
    "npx @virtual-kubelet/virtual-kubelet",
  ],
  ["installed for all", { script: "/usr/local/bin/virtual-kubelet" }, "virtual-kubelet"],
  ["from the sources", { script: "/p/src/main.ts" }, "npx virtual-kubelet"],
];
for (const [what, call, expected] of calls) {
  test(`called by ${what}`, () => {
    assert.equal(ownCommand({ env: {}, module: "file:///p/main.js", script: undefined, ...call }), expected);
  });
}

test("words are quoted where a shell needs it", () => {
  assert.deepEqual(["/a-b/c.d", "it's", ""].map(quote), ["/a-b/c.d", "'it'\\''s'", "''"]);
});
