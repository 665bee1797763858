// The packages as a registry would get them: fit for those who install them, whole, without anything of this repository's own, and
// a project that has nothing else compiles against them and runs them.
import assert from "node:assert/strict";
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { installPackages, treeSize } from "../scripts/packages/install-packages.ts";
import { type PackedPackage, packPackages } from "../scripts/packages/pack-packages.ts";
import { packageFaults } from "../scripts/packages/package-faults.ts";
import { npm, runCommand } from "../scripts/packages/run-command.ts";
import { cloudPackages, readManifest, root, workspacePackages } from "../scripts/packages/workspace.ts";

/** Megabytes that the packages may take, installed with what they depend on: those of all users, and with all providers of clouds. */
const ceiling = 32;
const ceilingOfAll = 64;

describe("packed packages", () => {
  const directory = mkdtempSync(join(tmpdir(), "virtual-kubelet-packages-"));
  const project = join(directory, "project");
  let packed: readonly PackedPackage[] = [];

  before(async () => {
    const projects = workspacePackages().map((each) => each.directory);
    await runCommand(join(root, "node_modules/.bin/tsc"), ["-b", ...projects], { cwd: root });
    packed = await packPackages(join(directory, "packed"));
    await installPackages(project, packed);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  test("hold what is built, their data, a README and the licence; no sources, tests or maps", () => {
    assert.deepEqual(
      packed.map(({ name }) => name.split("/")),
      [
        ["@virtual-kubelet", "dev-cluster"],
        ["@virtual-kubelet", "virtual-kubelet"],
        ["@virtual-kubelet", "provider-aci"],
        ["@virtual-kubelet", "provider-containers"],
        ["@virtual-kubelet", "provider-eci"],
        ["@virtual-kubelet", "provider-fargate"],
        ["@virtual-kubelet", "provider-nomad"],
      ],
    );
    const beside: Readonly<Record<string, readonly string[]>> = {
      "@virtual-kubelet/dev-cluster": ["data/api.json.br"],
      "@virtual-kubelet/virtual-kubelet": ["bin/virtual-kubelet.js", "control-plane/1.36.3/go.sum", "dist/main.js"],
    };
    for (const { name, files } of packed) {
      const wanted = ["LICENSE", "README.md", "dist/index.d.ts", "dist/index.js", "package.json"];
      for (const file of [...wanted, ...(beside[name] ?? [])]) assert.ok(files.includes(file), `${name}: ${file}`);
      const unwanted = files.filter((file) => /^src\/|\.test\.|\.map$|tsbuildinfo|(?<!\.d)\.ts$/.test(file));
      assert.deepEqual(unwanted, [], name);
      const testing = files.some((file) => file.startsWith("dist/testing/"));
      assert.equal(
        testing,
        name === "@virtual-kubelet/virtual-kubelet",
        `${name}: what serves tests, where it is exported`,
      );
      const text = JSON.stringify(readManifest(join(project, "node_modules", name, "package.json")));
      assert.doesNotMatch(text, /"source"|\/src\/|devDependencies/);
    }
  });

  test("publint and are-the-types-wrong find nothing, and would", async () => {
    assert.deepEqual((await Promise.all(packed.map(packageFaults))).flat(), []);

    const [one] = packed;
    assert.ok(one !== undefined);
    const broken = join(directory, "broken");
    cpSync(join(directory, "packed/staged", one.name), broken, { recursive: true });
    rmSync(join(broken, "dist/index.js"));
    rmSync(join(broken, "dist/index.d.ts"));
    await npm(["pack", "--ignore-scripts", "--pack-destination", broken], broken);
    const tarball = join(broken, `virtual-kubelet-dev-cluster-${one.version}.tgz`);
    const faults = (await packageFaults({ ...one, tarball })).join("\n");
    assert.match(faults, /publint: .*index\.js/);
    assert.match(faults, /are-the-types-wrong: .*NoResolution/);
  });

  test(`take less than ${ceiling} MB with what they depend on, traces included; with all clouds ${ceilingOfAll} MB`, async () => {
    const modules = join(project, "node_modules");
    assert.ok(existsSync(join(modules, "@opentelemetry/sdk-trace")));
    assert.ok(!existsSync(join(modules, "typescript")), "only what runs is installed");
    const without = join(directory, "without-clouds");
    await installPackages(
      without,
      packed.filter(({ name }) => !cloudPackages.includes(name)),
    );
    const page = readFileSync(join(root, "docs/releasing.md"), "utf8");
    for (const [tree, most, title] of [
      [join(without, "node_modules"), ceiling, "without providers of clouds"],
      [modules, ceilingOfAll, "all installed"],
    ] as const) {
      const size = treeSize(tree) / 1e6;
      assert.ok(size < most, `${title}: ${size.toFixed(1)} MB`);
      const told = Number(new RegExp(`^${title}, with what they depend on: (\\S+) MB`, "m").exec(page)?.[1]);
      assert.ok(Math.abs(told - size) < 1.5, `docs/releasing.md says ${told} MB ${title}, it is ${size.toFixed(1)} MB`);
    }
  });

  test("the program starts through its link and by npx with the scoped name", async () => {
    const { version } = readManifest(join(root, "packages/virtual-kubelet/package.json"));
    const linked = await runCommand(join(project, "node_modules/.bin/virtual-kubelet"), ["--version"], {
      cwd: project,
    });
    assert.ok(linked.startsWith(`Version: v${version}, `), linked);
    const help = await npm(["exec", "--offline", "--", "@virtual-kubelet/virtual-kubelet", "--help"], project);
    assert.match(help, /--provider/);
    const documents = join(project, "pod.yaml");
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name: "a" },
      spec: { containers: [{ name: "a", image: "a:1" }] },
    };
    writeFileSync(documents, JSON.stringify(pod));
    const plan = ["exec", "--offline", "--", "@virtual-kubelet/virtual-kubelet", "plan", "--filename", documents];
    assert.match(await npm([...plan, "--provider", "mock"], project), /a/);
  });

  test("a trial by npx with nothing but Node and npm: pods run, and nothing is left", async () => {
    const home = mkdtempSync(join(tmpdir(), "vk-npx-"));
    try {
      // No Go, no kubectl, no container engine, and no control plane that was built before.
      const path = join(home, "bin");
      mkdirSync(path);
      const found = (name: string): Promise<string> => runCommand("sh", ["-c", `command -v ${name}`]);
      symlinkSync(process.execPath, join(path, "node"));
      for (const name of ["npm", "sh"]) symlinkSync(await found(name), join(path, name));
      const foreign = Object.keys(process.env).filter((name) => /^(npm_|KUBE|VKUBELET_|XDG_|NODE_|GO)/i.test(name));
      const env = {
        ...Object.fromEntries(foreign.map((name) => [name, undefined])),
        PATH: path,
        HOME: home,
        TMPDIR: home,
      };
      const trial = ["trial", "--exit-after-ready", "--time-limit=5m"];
      const words = ["exec", "--offline", "--", "@virtual-kubelet/virtual-kubelet", ...trial];
      const told = await runCommand(join(path, "npm"), words, { cwd: project, env });
      assert.match(told, /^sample-web-\S+ +Running +1\/1 /m);
      assert.deepEqual(globSync(["virtual-kubelet-*", ".local/state/virtual-kubelet/trials/*"], { cwd: home }), []);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });

  test("a strict TypeScript project compiles against them, checks their declarations, and has a pod run", async () => {
    const { version } = readManifest(join(root, "node_modules/@types/node/package.json"));
    await npm(
      ["install", "--prefer-offline", "--no-audit", "--no-fund", "--save-dev", `@types/node@${version}`],
      project,
    );
    cpSync(join(import.meta.dirname, "packages/consumer.ts"), join(project, "consumer.ts"));
    const compilerOptions = {
      module: "nodenext",
      target: "es2024",
      types: ["node"],
      strict: true,
      skipLibCheck: false,
    };
    const more = { exactOptionalPropertyTypes: true, noUncheckedIndexedAccess: true, outDir: "out" };
    const config = { compilerOptions: { ...compilerOptions, ...more }, files: ["consumer.ts"] };
    writeFileSync(join(project, "tsconfig.json"), JSON.stringify(config));
    assert.equal(await runCommand(join(root, "node_modules/.bin/tsc"), ["--project", project]), "");
    const program = join(project, "node_modules/.bin/virtual-kubelet");
    const told = await runCommand(process.execPath, ["out/consumer.js", program], { cwd: project });
    assert.equal(told, '{"node":"installed","pod":"installed","code":0}');
  });

  test("a dry run of the release says what it would publish and what is missing", async () => {
    const script = join(root, "scripts/release.ts");
    const args = [
      "--conditions=source",
      script,
      "--dry-run",
      "--repository",
      "git+https://git.example/team/project.git",
    ];
    const told = await runCommand(process.execPath, args, { cwd: root }).catch((error: unknown) => String(error));
    for (const { name } of packed)
      assert.match(
        told,
        new RegExp(
          `would run: npm publish \\S+${name.replace("@", "").replace("/", "-")}-\\S+\\.tgz --provenance --access public`,
        ),
      );
    // What a tree between releases has, and nothing else.
    const faults = [...told.matchAll(/^fault: (.*)$/gm)].map(([, fault = ""]) => fault);
    assert.deepEqual(
      faults.filter((fault) => !/working tree has changes|calls \S+ unreleased/.test(fault)),
      [],
    );
    assert.match(told, /^needed to publish with provenance: a run of CI/m);
  });
});
