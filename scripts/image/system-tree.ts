// What is in an image below the program: the libraries that Node.js needs, accounts, certificate authorities, and the tools that some
// providers run. Of a package only what runs is kept, and what has to be told: licences and versions.
import {
  copyFileSync,
  globSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import type { DebianPackages, SystemPackage } from "./debian-packages.ts";

const basePackages = ["base-files", "ca-certificates", "libc6", "libgcc-s1", "libstdc++6"];

/** Patterns of what is kept of these. Node.js brings its own time zones, locales and character sets. */
const baseFiles = [
  "etc/debian_version",
  "etc/host.conf",
  "etc/os-release",
  "usr/lib/os-release",
  "usr/share/common-licenses/*",
];
const libraries = [
  "lib/*-linux-gnu/*",
  "lib64/*",
  "usr/lib64/*",
  "usr/lib/*-linux-gnu/*",
  "usr/lib/ld-linux-*",
  "lib/ld-linux-*",
];
/** Some packages have their licence in the folder of another, by a link. */
const licences = ["usr/share/doc/*", "usr/share/doc/*/copyright"];
/** Libraries for programs of another kind. */
const spared = /\/lib(mvec|memusage|pcprofile|c_malloc_debug|BrokenLocale|thread_db|nsl|nss_hesiod|nss_compat)\.so/;

/** Programs that providers run, by packages; what is not named here runs none. */
const providerTools: Readonly<
  Record<string, { readonly packages: readonly string[]; readonly files: readonly string[] }>
> = {
  containers: {
    packages: ["coreutils", "libblkid1", "libmount1", "libpcre2-8-0", "libselinux1", "mount", "util-linux"],
    files: ["{,usr/}bin/{mount,umount,rm,nsenter}"],
  },
};

/** Of the user that the image runs as, by number so that a cluster sees that it is not root. */
const imageUser = 65532;

/** Fills `target`, which is made, with what every image has. */
export async function baseTree(target: string, debian: DebianPackages): Promise<readonly SystemPackage[]> {
  const { root, packages } = await debian.unpack(basePackages);
  keep(target, root, packages, [...baseFiles, ...libraries, ...licences]);
  // It has the licence of the compiler's libraries, and the compiler's version in its name.
  const compiler = packages.flatMap(({ control }) => /gcc-\d+-base/.exec(control)?.[0] ?? []);
  const licence = await debian.unpack([...new Set(compiler)]);
  keep(target, licence.root, licence.packages, licences);
  write(target, "etc/ssl/certs/ca-certificates.crt", certificates(root));
  accounts(target);
  return [...packages, ...licence.packages];
}

/** Fills `target`, which is made, with what these providers need beside that. */
export async function toolsTree(
  target: string,
  providers: readonly string[],
  debian: DebianPackages,
): Promise<readonly SystemPackage[]> {
  mkdirSync(target, { recursive: true });
  const tools = providers.flatMap((name) => providerTools[name] ?? []);
  if (tools.length === 0) return [];
  const { root, packages } = await debian.unpack([...new Set(tools.flatMap((each) => each.packages))]);
  keep(target, root, packages, [...tools.flatMap(({ files }) => files), ...libraries, ...licences]);
  return packages;
}

/** A line for each. */
export function packageList(packages: readonly SystemPackage[]): string {
  return packages
    .map(({ name, version, architecture }) => `${name} ${version} ${architecture}\n`)
    .sort()
    .join("");
}

function keep(target: string, root: string, packages: readonly SystemPackage[], patterns: readonly string[]): void {
  for (const file of globSync(patterns, { cwd: root }).filter((path) => !spared.test(path)))
    copy(join(root, file), join(target, file));
  // Where scanners look for the packages of images without a package manager.
  for (const { name, control } of packages) write(target, `var/lib/dpkg/status.d/${name}`, `${control}\n`);
}

/** All authorities in one file, as the package's own script would make it. */
function certificates(root: string): string {
  const directory = join(root, "usr/share/ca-certificates/mozilla");
  return globSync("*.crt", { cwd: directory })
    .sort()
    .map((file) => `${readFileSync(join(directory, file), "utf8").trimEnd()}\n`)
    .join("");
}

function accounts(target: string): void {
  const home = "/var/lib/virtual-kubelet";
  const user = `virtual-kubelet:x:${imageUser}:${imageUser}::${home}:/sbin/nologin`;
  write(target, "etc/passwd", `root:x:0:0:root:/:/sbin/nologin\n${user}\n`);
  write(target, "etc/group", `root:x:0:\nvirtual-kubelet:x:${imageUser}:\n`);
  write(target, "etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n");
  mkdirSync(join(target, "tmp"), { recursive: true });
}

function copy(from: string, to: string): void {
  const stat = lstatSync(from);
  if (stat.isDirectory()) return;
  mkdirSync(dirname(to), { recursive: true });
  if (stat.isSymbolicLink()) symlinkSync(readlinkSync(from), to);
  else copyFileSync(from, to);
}

function write(target: string, file: string, text: string): void {
  mkdirSync(dirname(join(target, file)), { recursive: true });
  writeFileSync(join(target, file), text);
}
