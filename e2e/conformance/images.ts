// The images of Kubernetes' tests, made on this machine: from the programs that those images hold and from Debian's packages.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { createAuthority } from "../../packages/virtual-kubelet/src/testing/pki.ts";
import { findConformanceProgram } from "./programs.ts";
import { RootDirectory } from "./root-directory.ts";
import { staticRegistryFiles } from "./static-registry.ts";

const run = promisify(execFile);

/** An image as a tar file of its root, and what the engine is to know of it, as Dockerfile instructions. */
export interface BuiltImage {
  readonly tar: string;
  readonly changes: readonly string[];
}

interface Recipe {
  readonly changes: readonly string[];
  build(directory: string): Promise<unknown>;
}

const path = "ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Waits for TERM. PID 1 has no default for signals, so it says what it does. */
const pauseScript = `#!/bin/sh
trap 'exit 0' TERM INT
while :; do
  sleep 3600 &
  wait
done
`;

/** By the last part of the image's name. */
const recipes: Readonly<Record<string, Recipe>> = {
  agnhost: {
    changes: [path, 'ENTRYPOINT ["/agnhost"]', 'CMD ["pause"]', "EXPOSE 80", "EXPOSE 8080", "EXPOSE 8081"],
    build: buildAgnhost,
  },
  busybox: { changes: [path, 'CMD ["sh"]'], build: (directory) => RootDirectory.withShell(directory) },
  "glibc-dns-testing": {
    changes: [path, 'CMD ["sh"]'],
    async build(directory) {
      const root = await RootDirectory.withShell(directory);
      await root.linkedProgram("hostname", "hostname", "/bin/hostname");
    },
  },
  // What tests ask of it: a shell, and something on port 80 that goes on by itself.
  nginx: {
    changes: [path, 'CMD ["/agnhost", "test-webserver"]', "EXPOSE 80"],
    async build(directory) {
      const root = await RootDirectory.withShell(directory);
      await root.program(await findConformanceProgram("agnhost"), "/agnhost");
    },
  },
  nonewprivs: {
    changes: [path, 'CMD ["nnp"]'],
    async build(directory) {
      const root = await RootDirectory.withShell(directory);
      await root.program(await findConformanceProgram("nonewprivs"), "/usr/local/bin/nnp", 0o6755);
    },
  },
  nonroot: {
    changes: [path, 'CMD ["sh"]', "USER 1234"],
    build: (directory) => RootDirectory.withShell(directory),
  },
  pause: { changes: [path, 'ENTRYPOINT ["/pause"]'], build: buildPause },
};

/** The recipe for an image by its full name; undefined where it is none of ours. */
export function recipeOf(name: string): string | undefined {
  const { repository } = partsOf(name);
  const last = repository.split("/").at(-1) ?? "";
  // Two are there to be refused: what is not to be found, and what is not for everybody.
  return Object.hasOwn(recipes, last) && !/invalid|authenticated/.test(repository) ? last : undefined;
}

/** Host, path and tag of `host/path:tag`. */
export function partsOf(name: string): { readonly host: string; readonly repository: string; readonly tag: string } {
  const repository = name.replace(/:[^:/]*$/, "");
  return { host: repository.split("/")[0] ?? "", repository, tag: name.slice(repository.length + 1) };
}

/** Builds one; the file goes to `directory`. */
export async function buildImage(recipe: string, directory: string): Promise<BuiltImage> {
  const { [recipe]: found } = recipes;
  if (found === undefined) throw new RangeError(`no recipe for ${recipe}`);
  const tar = join(directory, `${recipe}.tar`);
  await packed(directory, tar, (root) => found.build(root));
  return { tar, changes: found.changes };
}

/** All that the tests would have, by full name, of what they list. */
export async function buildImages(
  names: readonly string[],
  directory: string,
): Promise<ReadonlyMap<string, BuiltImage>> {
  const wanted = new Map(names.flatMap((name) => [[name, recipeOf(name)] as const]));
  const built = new Map<string, BuiltImage>();
  for (const recipe of new Set(wanted.values())) {
    if (recipe !== undefined) built.set(recipe, await buildImage(recipe, directory));
  }
  return new Map(
    [...wanted].flatMap(([name, recipe]) => {
      const image = built.get(recipe ?? "");
      return image === undefined ? [] : [[name, image] as const];
    }),
  );
}

async function buildPause(directory: string): Promise<void> {
  const root = await RootDirectory.withShell(directory);
  await root.file("/pause", pauseScript, 0o755);
}

async function buildAgnhost(directory: string): Promise<void> {
  const inGroup = { name: "user-defined-in-image", uid: 1000 };
  const groups = [{ name: "group-defined-in-image", gid: 50_000 }];
  const root = await RootDirectory.withShell(directory, [{ ...inGroup, groups }]);
  await root.program(await findConformanceProgram("agnhost"), "/agnhost");
  await root.link("/agnhost-2", "agnhost");
  await root.directory("/uploads", 0o1777);
  // A netcat with UDP, and a shell that runs it: that of busybox would take its own, whatever the path.
  await root.link("/bin/sh", "bash");
  await root.linkedProgram("curl", "curl");
  await root.linkedProgram("nc.openbsd", "netcat-openbsd", "/bin/nc");
  const served = createAuthority("agnhost").issue({
    commonName: "localhost",
    dnsNames: ["localhost"],
    usages: ["server"],
  });
  await root.file("/localhost.crt", served.certificate);
  await root.file("/localhost.key", served.key);
  for (const [name, content] of await registryOfPause(directory)) await root.file(`/var/registry/${name}`, content);
}

/** What its fake-registry-server has to give. */
async function registryOfPause(beside: string): Promise<ReadonlyMap<string, Uint8Array>> {
  const tar = `${beside}-pause.tar`;
  await packed(join(beside, ".."), tar, buildPause);
  const files = staticRegistryFiles({
    name: "pause",
    tag: "testing",
    tar: await readFile(tar),
    entrypoint: ["/pause"],
  });
  await rm(tar);
  return files;
}

/** Lets a root be built in a directory of its own, and packs it. */
async function packed(directory: string, tar: string, build: (root: string) => Promise<unknown>): Promise<void> {
  const root = await mkdtemp(join(directory, "root-"));
  try {
    await build(root);
    await run("chmod", ["755", root]);
    const owner = ["--numeric-owner", "--owner=0", "--group=0", "--sort=name", "--mtime=@0"];
    await run("tar", [...owner, "-C", root, "-cf", tar, "."]);
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
