import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Secret } from "../kube/types.gen.ts";
import { imageCredentials } from "./pull-secrets.ts";

const base64 = (text: string): string => Buffer.from(text).toString("base64");
const current = (auths: unknown): Secret => ({ data: { ".dockerconfigjson": base64(JSON.stringify({ auths })) } });
const old = (auths: unknown): Secret => ({ data: { ".dockercfg": base64(JSON.stringify(auths)) } });
const ann = { username: "ann", password: "pass" };

describe("imageCredentials", () => {
  it("reads both formats, and both forms of a login", () => {
    for (const format of [current, old]) {
      assert.deepEqual(imageCredentials([format({ "r.example.com": ann })]), [{ registry: "r.example.com", ...ann }]);
      assert.deepEqual(imageCredentials([format({ "r.example.com": { auth: base64("ann:pass") } })]), [
        { registry: "r.example.com", ...ann },
      ]);
    }
  });

  it("auth goes before the two fields; its password may hold colons", () => {
    const auth = base64("bob:a:b:c");
    assert.deepEqual(imageCredentials([current({ "r.example.com": { ...ann, auth } })]), [
      { registry: "r.example.com", username: "bob", password: "a:b:c" },
    ]);
    assert.deepEqual(imageCredentials([current({ "r.example.com": { ...ann, auth: base64("none") } })]), [
      { registry: "r.example.com", ...ann },
    ]);
  });

  it("has identity tokens", () => {
    const login = { auth: base64("00000000-0000-0000-0000-000000000000:"), identitytoken: "idt" };
    assert.deepEqual(imageCredentials([current({ "r.example.com": login, "s.example.com": { identitytoken: "x" } })]), [
      {
        registry: "r.example.com",
        username: "00000000-0000-0000-0000-000000000000",
        password: "",
        identityToken: "idt",
      },
      { registry: "s.example.com", username: "", password: "", identityToken: "x" },
    ]);
  });

  it("takes registries however they are written", () => {
    for (const [key, registry] of [
      ["https://r.example.com", "r.example.com"],
      ["http://r.example.com:5000/", "r.example.com:5000"],
      ["https://r.example.com/v1/", "r.example.com"],
      ["https://r.example.com/v2", "r.example.com"],
      ["r.example.com/v2/team", "r.example.com/team"],
      ["r.example.com/v20", "r.example.com/v20"],
      ["*.example.com/team/app", "*.example.com/team/app"],
    ] as const)
      assert.equal(imageCredentials([current({ [key]: ann })])[0]?.registry, registry, key);
  });

  it("has the best match first, then the order of the Secrets, each once", () => {
    const cy = { username: "cy", password: "c" };
    const all = imageCredentials([
      current({ "r.example.com": ann, "r.example.com/team/app": ann }),
      current({ "r.example.com/team": ann, "r.example.com": cy }),
      old({ "https://r.example.com": ann }),
    ]);
    assert.deepEqual(
      all.map(({ registry, username }) => `${registry} ${username}`),
      ["r.example.com/team/app ann", "r.example.com/team ann", "r.example.com ann", "r.example.com cy"],
    );
  });

  it("leaves out what it cannot read", () => {
    const broken: readonly Secret[] = [
      {},
      { data: {} },
      { data: { ".dockerconfigjson": base64("{") } },
      { data: { ".dockerconfigjson": base64("[]"), ".dockercfg": "%%%" } },
      current(undefined),
      current(["x"]),
      current({ "r.example.com": "ann", "s.example.com": { auth: 5, username: 6 }, "t.example.com": {} }),
    ];
    assert.deepEqual(imageCredentials(broken), []);
  });
});
