// The libraries under Node.js, out of Debian packages: fetched by apt, which checks their signatures, with lists of its own; only
// what runs or has to be told (licences, versions) is kept.
import {
  copyFileSync,
  globSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import { runCommand } from "../packages/run-command.ts";

export type Architecture = "amd64" | "arm64";

export interface SystemPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Of the distribution: "debian". */
  readonly distribution: string;
}

const packages = ["base-files", "ca-certificates", "libc6", "libgcc-s1", "libstdc++6"];

/** Patterns of what is kept. Node.js brings its own time zones, locales and character sets. */
const kept = [
  ...["etc/debian_version", "etc/host.conf", "etc/os-release", "usr/lib/os-release", "usr/share/common-licenses/*"],
  ...["lib/*-linux-gnu/*", "lib64/*", "usr/lib64/*", "usr/lib/*-linux-gnu/*", "usr/lib/ld-linux-*", "lib/ld-linux-*"],
  // Some packages have theirs in the folder of another, by a link.
  ...["usr/share/doc/*", "usr/share/doc/*/copyright"],
];
/** Libraries for programs of another kind. */
const spared = /\/lib(mvec|memusage|pcprofile|c_malloc_debug|BrokenLocale|thread_db|nsl|nss_hesiod|nss_compat)\.so/;

/** Of the user that the image runs as, by number so that a cluster sees that it is not root. */
export const imageUser = 65532;

/** Fills `target`, which is made, and answers what is in it. */
export async function debianBase(target: string, architecture: Architecture): Promise<readonly SystemPackage[]> {
  const work = mkdtempSync(join(tmpdir(), "virtual-kubelet-debian-"));
  try {
    const unpacked = join(work, "unpacked");
    mkdirSync(unpacked);
    const found: SystemPackage[] = [];
    for (const file of await download(work, architecture)) {
      await runCommand("dpkg-deb", ["--extract", file, unpacked]);
      const control = await runCommand("dpkg-deb", ["--field", file]);
      const field = (name: string): string => new RegExp(`^${name}: (.*)$`, "m").exec(control)?.[1] ?? "";
      found.push({
        name: field("Package"),
        version: field("Version"),
        architecture: field("Architecture"),
        distribution: "",
      });
      // Where scanners look for the packages of images without a package manager.
      write(target, `var/lib/dpkg/status.d/${field("Package")}`, `${control}\n`);
    }
    for (const file of globSync(kept, { cwd: unpacked }).filter((path) => !spared.test(path)))
      copy(join(unpacked, file), join(target, file));
    write(target, "etc/ssl/certs/ca-certificates.crt", certificates(unpacked));
    accounts(target);
    const distribution = /^ID=(\S+)$/m.exec(readFileSync(join(target, "usr/lib/os-release"), "utf8"))?.[1] ?? "debian";
    const told = found.map((each) => ({ ...each, distribution }));
    const versions = told.map(({ name, version, architecture: of }) => `${name} ${version} ${of}\n`);
    write(target, "usr/share/doc/virtual-kubelet/packages.txt", versions.sort().join(""));
    return told;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function download(work: string, architecture: Architecture): Promise<readonly string[]> {
  mkdirSync(join(work, "lists/partial"), { recursive: true });
  const settings = {
    "Dir::State::Lists": join(work, "lists"),
    "Dir::Cache": join(work, "cache"),
    "APT::Architecture": architecture,
    "APT::Architectures": architecture,
    "APT::Sandbox::User": "root",
    "Acquire::Retries": "3",
  };
  const options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  try {
    await runCommand("apt-get", [...options, "--quiet=2", "update"], { cwd: work });
    await runCommand("apt-get", [...options, "--quiet=2", "download", ...packages], { cwd: work });
    // It has the licence of the compiler's libraries, and the compiler's version in its name.
    const depends = await runCommand(
      "dpkg-deb",
      ["--field", ...globSync("libgcc-s1_*.deb", { cwd: work }), "Depends"],
      { cwd: work },
    );
    const base = depends.match(/gcc-\d+-base/g) ?? [];
    if (base.length > 0) await runCommand("apt-get", [...options, "--quiet=2", "download", ...base], { cwd: work });
  } catch (cause) {
    const needs =
      "the base of the image comes from Debian packages, by apt-get and dpkg-deb of a Debian or Ubuntu machine";
    throw new VirtualKubeletError("Unavailable", needs, { cause });
  }
  return globSync("*.deb", { cwd: work })
    .sort()
    .map((file) => join(work, file));
}

/** All authorities in one file, as the package's own script would make it. */
function certificates(unpacked: string): string {
  const directory = join(unpacked, "usr/share/ca-certificates/mozilla");
  return globSync("*.crt", { cwd: directory })
    .sort()
    .map((file) => `${readFileSync(join(directory, file), "utf8").trimEnd()}\n`)
    .join("");
}

function accounts(target: string): void {
  const home = "/var/lib/virtual-kubelet";
  const users = [
    "root:x:0:0:root:/:/sbin/nologin",
    `virtual-kubelet:x:${imageUser}:${imageUser}::${home}:/sbin/nologin`,
  ];
  write(target, "etc/passwd", `${users.join("\n")}\n`);
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
