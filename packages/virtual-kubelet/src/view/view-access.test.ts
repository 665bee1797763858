// Who sees which nodes, by what the authoriser says of each.
import assert from "node:assert/strict";
import { test } from "node:test";
import { isErrorKind } from "../errors.ts";
import type { AccessAttributes, Authenticator } from "../server/access.ts";
import { reviewedAccess } from "./view-access.ts";

const known: Authenticator = {
  authenticate: ({ authorization }) =>
    Promise.resolve(authorization === "Bearer good" ? { username: "jane", groups: [] } : undefined),
};
const credentials = { authorization: "Bearer good", certificate: undefined };
const signal = new AbortController().signal;

function access(allows: (node: string) => boolean): {
  readonly asked: AccessAttributes[];
  readonly sees: (nodes: readonly string[], shown?: typeof credentials) => Promise<readonly string[]>;
} {
  const asked: AccessAttributes[] = [];
  const view = reviewedAccess(known, {
    authorize: (_, attributes) => {
      asked.push(attributes);
      return Promise.resolve({ allowed: allows(attributes.node) });
    },
  });
  return {
    asked,
    sees: async (nodes, shown = credentials) => {
      const { maySee } = await view.sightOf(shown, nodes, signal);
      return nodes.filter(maySee);
    },
  };
}

test("who may get nodes/pods of one node sees that one", async () => {
  const { sees, asked } = access((node) => node === "b");
  assert.deepEqual(await sees(["a", "b"]), ["b"]);
  assert.deepEqual(asked[0], { node: "", verb: "get", subresources: ["pods", "proxy"] });
});

test("who may see all is asked about once", async () => {
  const { sees, asked } = access((node) => node === "");
  assert.deepEqual(await sees(["a", "b", "c"]), ["a", "b", "c"]);
  assert.equal(asked.length, 1);
});

test("nobody that is known: Unauthorized; who may see none: Forbidden, and of hundreds of nodes nobody is asked one by one", async () => {
  const { sees, asked } = access(() => false);
  await assert.rejects(sees(["a"], { ...credentials, authorization: "Bearer bad" }), (error) =>
    isErrorKind(error, "Unauthorized"),
  );
  assert.equal(asked.length, 0);
  await assert.rejects(
    sees(["a", "b"]),
    /Forbidden \(user=jane, verb=get, resource=nodes, subresource\(s\)=\[pods proxy\]\)/,
  );
  asked.length = 0;
  await assert.rejects(sees(Array.from({ length: 300 }, (_, index) => `n${index}`)), (error) =>
    isErrorKind(error, "Forbidden"),
  );
  assert.equal(asked.length, 1);
});
