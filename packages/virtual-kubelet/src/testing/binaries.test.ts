import assert from "node:assert/strict";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { findControlPlaneBinaries, findKubectl, findOnPath, resolveKubernetesVersion } from "./binaries.ts";

const names = ["etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"];
const root = mkdtempSync(join(tmpdir(), "virtual-kubelet-binaries-test-"));
after(() => rmSync(root, { recursive: true }));

function directory(programs: Readonly<Record<string, string>> = {}): string {
  const path = mkdtempSync(join(root, "d-"));
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(path, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(path, name), 0o755);
  }
  return path;
}

const says = (text: string): Record<string, string> =>
  Object.fromEntries(names.map((name) => [name, `echo '${name === "etcd" ? "etcd Version: 3.6.8" : text}'`]));

/** Stands in for Go: counts its builds, takes a moment, writes the file after -o. */
const go = (log: string): string => `
[ "$1" = env ] && exit 0
echo "$@" >> ${log}
sleep 0.3
while [ "$1" != -o ]; do shift; done
printf '#!/bin/sh\n' > "$2"; chmod +x "$2"`;

test("versions", () => {
  assert.equal(resolveKubernetesVersion(undefined, {}), "1.36.3");
  assert.equal(resolveKubernetesVersion(undefined, { VIRTUAL_KUBELET_KUBERNETES_VERSION: "1.34.4" }), "1.34.4");
  assert.equal(resolveKubernetesVersion("v1.37.2", { VIRTUAL_KUBELET_KUBERNETES_VERSION: "1.34.4" }), "1.37.2");
  assert.equal(resolveKubernetesVersion("1.35", {}), "1.35.4");
  for (const unknown of ["1", "1.3", "1.36.2", "1.99", "latest"]) {
    assert.throws(
      () => resolveKubernetesVersion(unknown, {}),
      { kind: "Invalid", message: /1\.34\.4.*1\.37\.2/ },
      unknown,
    );
  }
});

test("KUBEBUILDER_ASSETS comes before PATH, PATH before the cache", async () => {
  const assets = directory({ etcd: "echo 'etcd Version: 3.6.8'", "kube-apiserver": "echo Kubernetes v1.36.1" });
  const path = directory(says("Kubernetes v1.36.9"));
  const cache = directory();
  const found = await findControlPlaneBinaries({
    version: "1.36",
    env: { KUBEBUILDER_ASSETS: assets, PATH: path, XDG_CACHE_HOME: cache },
  });
  assert.deepEqual(found, {
    etcd: join(assets, "etcd"),
    "kube-apiserver": join(assets, "kube-apiserver"),
    "kube-controller-manager": join(path, "kube-controller-manager"),
    "kube-scheduler": join(path, "kube-scheduler"),
  });
  assert.deepEqual(readdirSync(cache), []);
});

test("programs of another minor, or that do not run, are passed over for the cache", async () => {
  const broken = directory(Object.fromEntries(names.map((name) => [name, "exit 1"])));
  const path = directory({ ...says("Kubernetes v1.35.0"), etcd: "echo 'etcd Version: 3.4.23'" });
  const home = directory();
  const cached = join(home, ".cache/virtual-kubelet/control-plane/v1.36.3");
  mkdirSync(cached, { recursive: true });
  for (const name of names) writeFileSync(join(cached, name), "", { mode: 0o755 });
  const found = await findControlPlaneBinaries({ env: { KUBEBUILDER_ASSETS: broken, PATH: path, HOME: home } });
  assert.deepEqual(
    Object.values(found),
    names.map((name) => join(cached, name)),
  );
});

test("what is nowhere is built once, with the version's metadata, however many ask at the same time", async () => {
  const cache = directory();
  const log = join(cache, "log");
  const env = { PATH: `${directory({ go: go(log) })}:/usr/bin:/bin`, XDG_CACHE_HOME: cache };
  const lines: string[] = [];
  const options = { version: "1.34.4", env, onProgress: (line: string) => void lines.push(line) };
  const [one, two] = await Promise.all([findControlPlaneBinaries(options), findControlPlaneBinaries(options)]);
  const built = join(cache, "virtual-kubelet/control-plane/v1.34.4");
  assert.deepEqual(
    Object.values(one),
    names.map((name) => join(built, name)),
  );
  assert.deepEqual(one, two);
  assert.deepEqual(readdirSync(built).sort(), names, "neither temporary files nor a lock are left");
  const builds = readFileSync(log, "utf8").trim().split("\n");
  assert.equal(builds.length, 4);
  assert.match(
    builds[1] ?? "",
    /-mod=readonly -trimpath .*version\.gitVersion=v1\.34\.4 .*gitMinor=34 .* k8s\.io\/kubernetes\/cmd\/kube-apiserver$/,
  );
  assert.ok(
    lines.some((line) => /^building etcd for Kubernetes 1\.34\.4/.test(line)),
    lines.join("\n"),
  );
  assert.ok(
    lines.some((line) => /^built kube-scheduler for Kubernetes 1\.34\.4 in \d+ s$/.test(line)),
    lines.join("\n"),
  );
});

test("the lock of a builder that died is taken over", async () => {
  const cache = directory();
  const built = join(cache, "virtual-kubelet/control-plane/v1.34.4");
  mkdirSync(built, { recursive: true });
  const lock = join(built, ".lock");
  writeFileSync(lock, "");
  const minuteAgo = Date.now() / 1000 - 60;
  utimesSync(lock, minuteAgo, minuteAgo);
  const env = { PATH: `${directory({ go: go(join(cache, "log")) })}:/usr/bin:/bin`, XDG_CACHE_HOME: cache };
  await findControlPlaneBinaries({ version: "1.34.4", env });
  assert.deepEqual(readdirSync(built).sort(), names);
});

test("a living builder is waited for, until told to stop", async () => {
  const cache = directory();
  const built = join(cache, "virtual-kubelet/control-plane/v1.34.4");
  mkdirSync(built, { recursive: true });
  writeFileSync(join(built, ".lock"), "");
  const controller = new AbortController();
  const onProgress = (line: string): void => {
    assert.match(line, /waiting for another process/);
    controller.abort();
  };
  const env = { PATH: directory(), XDG_CACHE_HOME: cache };
  const finding = findControlPlaneBinaries({ version: "1.34.4", env, onProgress, signal: controller.signal });
  await assert.rejects(finding, { name: "AbortError" });
});

test("a failed build shows Go's words and leaves nothing", async () => {
  const cache = directory();
  const tools = directory({ go: '[ "$1" = env ] && exit 0; echo "no space left" >&2; exit 1' });
  const env = { PATH: `${tools}:/usr/bin:/bin`, XDG_CACHE_HOME: cache };
  await assert.rejects(
    findControlPlaneBinaries({ version: "1.36.3", env }),
    /go build of etcd for Kubernetes 1\.36\.3 failed:\nno space left/,
  );
  assert.deepEqual(readdirSync(join(cache, "virtual-kubelet/control-plane/v1.36.3")), []);
});

test("without Go, or with one too old, the message says what to install or set", async () => {
  const env = { PATH: directory(), XDG_CACHE_HOME: directory() };
  const advice = /Install Go 1\.26\.0 or newer .* or set KUBEBUILDER_ASSETS/;
  await assert.rejects(findControlPlaneBinaries({ version: "1.36.3", env }), (error: Error) => {
    assert.match(error.message, /Go is not installed/);
    assert.match(error.message, advice);
    return true;
  });
  const old = 'echo "go: go.mod requires go >= 1.26.0 (running go 1.22.1; GOTOOLCHAIN=local)" >&2; exit 1';
  const oldEnv = { PATH: directory({ go: old }), XDG_CACHE_HOME: directory() };
  await assert.rejects(findControlPlaneBinaries({ version: "1.36.3", env: oldEnv }), (error: Error) => {
    assert.match(error.message, /too old .*running go 1\.22\.1/);
    assert.match(error.message, advice);
    return true;
  });
});

test("every pinned version has its module", () => {
  for (const version of ["1.34.4", "1.35.4", "1.36.3", "1.37.2"]) {
    const module = join(import.meta.dirname, "../../control-plane", version);
    assert.ok(readFileSync(join(module, "go.mod"), "utf8").includes(`k8s.io/kubernetes v${version}\n`), version);
    assert.ok(existsSync(join(module, "go.sum")) && existsSync(join(module, "tools.go")), version);
  }
});

test("any kubectl will do; without one, it is built like the rest", async () => {
  const path = directory({ kubectl: "" });
  assert.equal(await findKubectl({ env: { PATH: path } }), join(path, "kubectl"));
  await assert.rejects(findKubectl({ env: { PATH: directory(), XDG_CACHE_HOME: directory() } }), /\bGo\b/);
});

test("a program is found by name", async () => {
  const path = directory({ kubectl: "" });
  assert.equal(await findOnPath("kubectl", { PATH: `${directory()}:${path}` }), join(path, "kubectl"));
  assert.equal(await findOnPath("kubectl", { PATH: directory() }), undefined);
});
