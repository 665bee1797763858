// What is wrong in a page is found, with its line and what would be valid; what is right is not.
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { checkCommands } from "./commands.ts";
import { checkDataBlocks } from "./data-blocks.ts";
import type { Finding, Project } from "./finding.ts";
import { checkLinks } from "./links.ts";
import { checkNames, knownNames } from "./names.ts";
import { readPage } from "./page.ts";
import { checkSnippets } from "./snippets.ts";

const project: Project = {
  root: join(import.meta.dirname, "../.."),
  npmScripts: {
    start: "exec node scripts/bootstrap.js start",
    test: "exec node scripts/bootstrap.js test",
    conformance: "exec node scripts/bootstrap.js conformance",
    build: "tsc -b",
  },
  packages: ["@virtual-kubelet/virtual-kubelet", "@virtual-kubelet/provider-containers"],
};
const file = "docs/mock.md";
const told = (findings: readonly Finding[]): string[] => findings.map(({ line, message }) => `${line}: ${message}`);

test("links and anchors", () => {
  const page = readPage(
    file,
    [
      "# Big *words* `x`, twice",
      "## Again", // 2
      "## Again",
      "[a](#big-words-x-twice) [b](#again-1) [c](nodes.md) [d](../README.md#try-it) [e](https://example.com/none)",
      "[f](#agaim)", // 5
      "[g](node.md)",
      "| [h](../README.md#tryit) |", // 7
      "|---|",
      "| x |",
      "[i](/docs/nodes.md) `[j](nowhere.md)`", // 10
      "```",
      "[k](nowhere.md)",
      "```",
    ].join("\n"),
  );
  const pages = [page, readPage("docs/nodes.md", ""), readPage("README.md", "## Try it")];
  assert.deepEqual(told(checkLinks(pages, project)), [
    "5: link #agaim: docs/mock.md has no #agaim (did you mean #again?)",
    "6: link node.md: there is no docs/node.md (did you mean docs/nodes.md?)",
    "7: link ../README.md#tryit: README.md has no #tryit (did you mean #try-it?)",
    "10: link /docs/nodes.md: must be relative, so that it works in a clone",
  ]);
});

const commandCases: Readonly<Record<string, readonly string[]>> = {
  "virtual-kubelet --provider mock --nodename=vk --kubelet-port <port> ...": [],
  "npx virtual-kubelet plan -f - --provider process -o json": [],
  "npx @virtual-kubelet/virtual-kubelet doctor": [],
  "virtual-kubelet providers && virtual-kubelet help": [],
  "virtual-kubelet --nodname vk": ["virtual-kubelet --nodname: unknown flag (did you mean --nodename?)"],
  "virtual-kubelet --ping-timeout 5": [
    'virtual-kubelet --ping-timeout: "5" must be a duration such as "30s" or "1m30s"',
  ],
  "virtual-kubelet --shutdown-node never": [
    'virtual-kubelet --shutdown-node: "never" must be one of leave, not-ready, delete',
  ],
  "virtual-kubelet why --no POD": ["virtual-kubelet why --no: unknown flag"],
  "virtual-kubelet docter": ['virtual-kubelet: unknown command "docter" (did you mean doctor?)'],
  "npm run biuld": ["npm run biuld: package.json has no such script (did you mean build?)"],
  "npm tets": ["npm tets: unknown (did you mean test?)"],
  "npm ci && npm run build && npm start -- --exit-after-ready && npm test -- --unit log": [],
  "npm start -- --for-ever": ["npm run start -- --for-ever: unknown flag"],
  "npm test -- --units": ["npm run test -- --units: unknown flag (did you mean --unit?)"],
  "npm run conformance -- --focus 'a --b' --repeat 3": [],
  "npm install @virtual-kubelet/provider-container": [
    "@virtual-kubelet/provider-container: there is no such package here (did you mean @virtual-kubelet/provider-containers?)",
  ],
  "kubectl aply -f deploy/rbac.yaml": ["kubectl aply: kubectl has no such command (did you mean apply?)"],
  "kubectl -n x apply -f deploy/rbac.yml": ["deploy/rbac.yml: there is no such file (did you mean deploy/rbac.yaml?)"],
  "node packages/virtual-kubelet/dist/main.js --config ./deploy/edge-node.yaml": [],
  "node scripts/nothing.ts": ["scripts/nothing.ts: there is no such file"],
};
for (const [command, faults] of Object.entries(commandCases)) {
  test(`command: ${command}`, () => {
    const found = checkCommands(readPage(file, `\n\`\`\`sh\n${command}\n\`\`\``), project);
    assert.deepEqual(
      told(found),
      faults.map((fault) => `3: ${fault}`),
    );
  });
}

test("commands and files in sentences, not what only looks like them", () => {
  const text =
    "Run `npm run nothing-of-that`,\nsee `docs/none.md` and `e2e/*.test.ts`; `npm` is `virtual-kubelet`'s, `npx tsx` not.\n```text\nnpm no\n```";
  assert.deepEqual(
    told(checkCommands(readPage(file, text), project)).map((one) => one.slice(0, 40)),
    ["1: npm run nothing-of-that: package.json", "2: docs/none.md: there is no such file ("],
  );
});

test("names in sentences: flags with their values, metrics, alerts, tests, lines of the log", () => {
  const text = [
    "`--ping-timeout`, `--ping-timeout 5s`, `--shutdown-node=<what>`, `-- --unit`, `--kubelet-insecure-tls`, `--klog.v`,",
    "`virtual_kubelet_queue_depth{queue}`, `queue_oldest_seconds`, `VirtualKubeletLeaseLate`, `VirtualKubeletError`,",
    "`names.test.ts` and `docs/checks.test.ts`; log `watch works again`, `watch failed, trying ...` and `client certificate is not rotated`.",
    "`--ping-timout`, `--ping-timeout 5`, `-- --units`,", // 4
    "`virtual_kubelet_queue_dept`, `queues_total`, `VirtualKubeletLeaseLat`, `docs/check.test.ts`;",
    "log `watch works agan`, `it rains`, else `it snows`.", // 6
    "<!-- check: file mine.test.ts -->\n```ts\n```\n`mine.test.ts`",
  ].join("\n");
  const known = { ...knownNames(project), tests: ["/scripts/docs/checks.test.ts", "/a/names.test.ts"] };
  assert.deepEqual(told(checkNames(readPage(file, text), known)), [
    "4: --ping-timout: there is no such flag (did you mean ping-timeout?)",
    '4: --ping-timeout 5: "5" must be a duration such as "30s" or "1m30s"',
    "4: -- --units: there is no such flag (did you mean unit?)",
    "5: virtual_kubelet_queue_dept: there is no such metric (did you mean virtual_kubelet_queue_depth?)",
    "5: queues_total: there is no such metric",
    "5: VirtualKubeletLeaseLat: there is no such alert (did you mean VirtualKubeletLeaseLate?)",
    "5: docs/check.test.ts: there is no such test",
    "6: watch works agan: the program has no such line for the log",
    "6: it rains: the program has no such line for the log",
  ]);
});

const block = (text: string, directive = "", language = "yaml"): string =>
  `${directive}\n\`\`\`${language}\n${text}\n\`\`\`\n`;
const pod = (spec: string): string => `apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\nspec:\n${spec}`;
const containers = "  containers:\n    - name: a\n      image: b\n";

const dataCases: readonly (readonly [what: string, text: string, faults: readonly RegExp[]])[] = [
  ["a pod", block(pod(containers)), []],
  ["an unknown field", block(pod(`${containers}      imge: c`)), [/^11: .*unknown field "spec.containers\[0\].imge"/]],
  [
    "a wrong value",
    block(pod(`${containers}  restartPolicy: Maybe`)),
    [/^11: .*Unsupported value: "Maybe": supported values: "Always"/],
  ],
  ["a wrong version", block("apiVersion: apps/v1beta1\nkind: Deployment"), [/^3: .*of this group there is v1$/]],
  ["a kind of another group", block("apiVersion: v1\nkind: Deployment"), [/v1 has no such kind \(it is of apps\/v1\)/]],
  ["a foreign kind", block("apiVersion: example.com/v1\nkind: X\nmetadata: { name: a }"), []],
  ["the second document", block(`${pod(containers)}\n---\n${pod("  container: []")}`), [/^18: .*spec.container/]],
  ["no YAML", block("a: [b"), [/^3: no YAML: /]],
  ["a configuration", block("ping: { timeout: 5s }"), []],
  [
    "a wrong configuration",
    block("nodes:\n  - name: a\n    provider: { name: mock }\n    taint: []"),
    [/^6: .*unknown setting \(did you mean taints\?\)/],
  ],
  [
    "a provider's configuration",
    block("nodes:\n  - name: a\n    provider:\n      name: process\n      config:\n        stateDir: /x"),
    [/^6: .*stateDir/],
  ],
  ["a fragment that says nothing", block("tolerations: []"), [/^3: neither an object/]],
  [
    "a fragment of a pod",
    block("tolerations:\n  - { key: a, operator: Exist }", "<!-- check: as Pod spec -->"),
    [/^4: .*"Exist"/],
  ],
  ["a right fragment", block("ports: [{ containerPort: 80 }]", "<!-- check: as Pod spec.containers[0] -->"), []],
  ["a fragment of nothing", block("a: b", "<!-- check: as Pond -->"), [/must be one of .*did you mean Pod/]],
  [
    "a part of the configuration",
    block("taints:\n  - { key: a, effect: No }", "<!-- check: as configuration nodeDefaults -->"),
    [/^4: .*"No" must be one of/],
  ],
  ["a part of a provider's", block("imagess: {}", "<!-- check: as provider containers -->"), [/^3: .*imagess/]],
  ["a provider's file", block("vk-1: { cpu: two }", "<!-- check: as provider-file mock -->"), [/^3: .*two/]],
  ["JSON", block('{"a": 1}', "", "json"), []],
  ["no JSON", block('{"a": 1,}', "", "json"), [/^3: no JSON/]],
  [
    "a document for a command",
    block(`kubectl apply -f - <<EOF\n${pod("  containers: 1")}\nEOF`, "", "sh"),
    [/^9: |^4: /],
  ],
  [
    "values of the chart",
    block(
      "image: { repository: registry.example/vk }\ninstances:\n  - name: a\n    config: { nodes: [{ name: b, provider: { name: mock } }] }",
    ),
    [],
  ],
  [
    "values that the chart does not take",
    block("image: { repo: x }\ninstances: []"),
    [/^3: image: .*repository/, /^3: image\.repo: there is no such value/, /^4: instances: /],
  ],
  [
    "a wrong configuration in values",
    block(
      "image: { repository: registry.example/vk }\ninstances:\n  - name: a\n    config: { nodes: [{ name: b, provider: { name: mock }, ports: 1 }] }",
    ),
    [/^6: instances\[0\]\.config\.nodes\[0\]\.ports: there is no such value/],
  ],
  [
    "a comment that says nothing",
    block("apiVersion: v1\nkind: Pod", "<!-- check: ass Pod -->"),
    [/^2: check: ass Pod/, /metadata/],
  ],
  ["left out", block("a: b", "<!-- check: none, it is of another program -->"), []],
];
for (const [what, text, faults] of dataCases) {
  test(`data: ${what}`, async () => {
    const found = told(await checkDataBlocks([readPage(file, text)], project));
    assert.equal(found.length, faults.length, found.join("\n"));
    for (const [at, fault] of faults.entries()) assert.match(found[at] ?? "", fault);
  });
}

test("TypeScript", async () => {
  const blocks = [
    block(
      'import type { Provider } from "@virtual-kubelet/virtual-kubelet";\nexport const provider: Partial<Provider> = { ping: async () => {} };',
      "<!-- check: file provider.ts -->",
      "ts",
    ),
    block('import { provider } from "./provider.ts";\nprovider.pong?.();', "", "ts"), // 6 to 9
    block("console.log(uid.length, other);", "<!-- check: with declare const uid: string; -->", "ts"),
    block("nothing.here", "<!-- check: none, a sketch -->", "ts"),
  ];
  const found = told(await checkSnippets([readPage(file, blocks.join(""))], project));
  found.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10));
  assert.equal(found.length, 2, found.join("\n"));
  assert.match(found[0] ?? "", /^9: TS2339: Property 'pong' does not exist/);
  assert.match(found[1] ?? "", /^13: TS2304: Cannot find name 'other'; what the block takes for granted/);
});
