import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { serverError } from "./cluster.ts";
import { outcomeOf } from "./exec-client.ts";
import { selectorOf } from "./pod-target.ts";
import { readTable, type Table, TableText } from "./table.ts";

const table: unknown = {
  kind: "Table",
  metadata: { resourceVersion: "7" },
  columnDefinitions: [
    { name: "Name", priority: 0 },
    { name: "Ready", priority: 0 },
    { name: "IP", priority: 1 },
  ],
  rows: [
    { cells: ["web-1", "1/1", null], object: { metadata: { name: "web-1", namespace: "default", uid: "1" } } },
    { cells: ["a", 3, "two\n lines"], object: { metadata: { name: "a", namespace: "kube-system", uid: "2" } } },
  ],
};
function read(value: unknown): Table {
  const found = readTable(value);
  assert.ok(found !== undefined);
  return found;
}

test("columns as kubectl has them: three spaces, wide ones on request, namespaces first", () => {
  const text = (wide: boolean, namespaces: boolean, headers = true): string =>
    new TableText({ wide, namespaces, headers }).add(read(table));
  assert.equal(text(false, false), "NAME    READY\nweb-1   1/1\na       3\n");
  assert.equal(
    text(true, true),
    "NAMESPACE     NAME    READY   IP\ndefault       web-1   1/1     <none>\nkube-system   a       3       two lines\n",
  );
  assert.equal(text(false, false, false), "web-1   1/1\na       3\n");
});

test("rows that come later stand below the first ones, without headings", () => {
  const text = new TableText({ wide: false, namespaces: false, headers: true });
  const { columns, rows } = read(table);
  text.add({ columns, rows: rows.slice(0, 1) });
  assert.equal(text.add({ columns: [], rows: rows.slice(1) }), "a       3\n");
});

test("what is no Table is none", () => {
  assert.equal(readTable({ kind: "PodList", items: [] }), undefined);
  assert.equal(readTable("x"), undefined);
  assert.deepEqual(read({ kind: "Table" }), { columns: [], rows: [], resourceVersion: "" });
});

test("what an object says does not steer the terminal", () => {
  const rows = [{ cells: ["\u001b]0;title\u0007\u001b[2Jweb\r", "\u009b31m\u202e"], object: {} }];
  const columnDefinitions = [{ name: "Name\u001b[1m" }, { name: "Status" }];
  const told = new TableText({ wide: false, namespaces: false, headers: true }).add(
    read({ kind: "Table", columnDefinitions, rows }),
  );
  assert.doesNotMatch(told, /[^\P{Cc}\n]|\u202e/u);
  assert.match(told, /\\u001b\[2Jweb/);
  const error = new VirtualKubeletError("Forbidden", "no\u001b[2J", { httpStatus: 403 });
  assert.equal(serverError(error), "Error from server (Forbidden): no\\u001b[2J");
});

test("how a command ended", () => {
  const failure = { status: "Failure", reason: "NonZeroExitCode", message: "command terminated" };
  const cause = (message: string): string =>
    JSON.stringify({ ...failure, details: { causes: [{ reason: "ExitCode", message }] } });
  assert.deepEqual(outcomeOf('{"status":"Success"}'), { exitCode: 0 });
  assert.deepEqual(outcomeOf(cause("137")), { exitCode: 137 });
  assert.deepEqual(outcomeOf(cause("x")), { fault: "command terminated" });
  assert.deepEqual(outcomeOf('{"status":"Failure","message":"no such container"}'), { fault: "no such container" });
  assert.deepEqual(outcomeOf("plain text"), { fault: "plain text" });
});

test("the pods that an object chooses", () => {
  const matchExpressions = [
    { key: "a", operator: "In", values: ["1", "2"] },
    { key: "b", operator: "NotIn", values: ["3"] },
    { key: "c", operator: "Exists" },
    { key: "d", operator: "DoesNotExist" },
  ];
  const of = (selector: unknown): string | undefined => selectorOf({ spec: { selector } });
  assert.equal(of({ matchLabels: { app: "web" }, matchExpressions }), "app=web,a in (1,2),b notin (3),c,!d");
  assert.equal(of({ app: "web", tier: "front" }), "app=web,tier=front");
  assert.equal(of({}), undefined);
  assert.equal(selectorOf({ data: {} }), undefined);
});
