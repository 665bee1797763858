import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { createAuthority } from "../testing/pki.ts";
import { pairFault } from "./certificate-pair.ts";
import { CertificateStore, splitPem } from "./certificate-store.ts";

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), "certificate-store-"));
});
after(() => rm(root, { recursive: true, force: true }));

const authority = createAuthority("ca");
const issue = (commonName: string) => {
  const { certificate, key } = authority.issue({ commonName });
  return { cert: certificate + authority.certificate, key };
};

test("keeps certificate, chain and key in one file that its owner alone may read", async () => {
  const store = new CertificateStore(join(root, "new", "deep"), "kubelet-server");
  assert.equal(await store.read(), undefined);
  const old = process.umask(0o277);
  try {
    await mkdir(join(root, "new", "deep"), { recursive: true, mode: 0o700 });
    await chmod(join(root, "new"), 0o700);
    await chmod(join(root, "new", "deep"), 0o700);
    await store.write(issue("a"));
  } finally {
    process.umask(old);
  }
  assert.equal((await stat(store.path)).mode & 0o777, 0o600);
  const pair = issue("b");
  await store.write(pair);
  const read = await store.read();
  assert.ok(read !== undefined);
  assert.equal(pairFault(read), undefined);
  assert.equal(read.cert.match(/BEGIN CERTIFICATE/g)?.length, 2);
  assert.deepEqual(read, splitPem(pair.cert + pair.key));
  assert.deepEqual(await readdir(join(root, "new", "deep")), ["kubelet-server-current.pem"]);
});

test("a link left by a kubelet is replaced, not what it points to", async () => {
  const directory = await mkdtemp(join(root, "link-"));
  const store = new CertificateStore(directory, "kubelet-server");
  await writeFile(join(directory, "old.pem"), "old");
  await symlink("old.pem", store.path);
  await store.write(issue("a"));
  assert.equal(await readFile(join(directory, "old.pem"), "utf8"), "old");
  assert.ok((await store.read())?.key.includes("PRIVATE KEY"));
});

test("a pending request is kept, forgotten, and passed over when it is damaged", async () => {
  const directory = await mkdtemp(join(root, "pending-"));
  const store = new CertificateStore(directory, "kubelet-client");
  const pending = { name: "csr-1", subject: "[]", request: "r", key: "k" };
  await store.writePending(pending);
  assert.deepEqual(await store.readPending(), pending);
  const file = join(directory, "kubelet-client-pending.json");
  for (const text of ["", "{", "[]", "null", '{"name":"a"}', '{"name":1,"subject":"","request":"","key":""}']) {
    await writeFile(file, text);
    assert.equal(await store.readPending(), undefined, text);
  }
  await store.clearPending();
  await store.clearPending();
  assert.deepEqual(await readdir(directory), []);
});

test("a directory that cannot be is said at once", async () => {
  const file = join(root, "file");
  await writeFile(file, "");
  await assert.rejects(new CertificateStore(join(file, "certs"), "a").prepare(), {
    kind: "Invalid",
    message: /ENOTDIR/,
  });
  await new CertificateStore(join(root, "made"), "a").prepare();
  assert.equal((await stat(join(root, "made"))).mode & 0o777, 0o700);
});
