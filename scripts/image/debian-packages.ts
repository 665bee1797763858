// Packages of the Debian release that this machine runs, fetched by apt, which checks their signatures, with lists of its own: those
// of the machine may be old, of another architecture, or not there.
import { globSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";
import { runCommand } from "../packages/run-command.ts";

export type Architecture = "amd64" | "arm64";

export interface SystemPackage {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  /** Of the distribution: "debian". */
  readonly distribution: string;
  /** What it says of itself, as dpkg writes it. */
  readonly control: string;
}

export class DebianPackages implements Disposable {
  readonly #work: string = mkdtempSync(join(tmpdir(), "virtual-kubelet-debian-"));
  readonly #options: readonly string[];
  #unpacked = 0;

  private constructor(architecture: Architecture) {
    mkdirSync(join(this.#work, "lists/partial"), { recursive: true });
    const settings = {
      "Dir::State::Lists": join(this.#work, "lists"),
      "Dir::Cache": join(this.#work, "cache"),
      "APT::Architecture": architecture,
      "APT::Architectures": architecture,
      "APT::Sandbox::User": "root",
      "Acquire::Retries": "3",
    };
    this.#options = Object.entries(settings).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  }

  /** Fetches the lists. Throws Unavailable where there is no apt. */
  static async open(architecture: Architecture): Promise<DebianPackages> {
    const packages = new DebianPackages(architecture);
    try {
      await packages.#apt(packages.#work, "update");
    } catch (cause) {
      packages[Symbol.dispose]();
      const needs = "the base of the image comes from Debian packages, by apt-get and dpkg-deb of a Debian machine";
      throw new VirtualKubeletError("Unavailable", needs, { cause });
    }
    return packages;
  }

  /** Fetches and unpacks them; answers them and the folder, which is there until this is disposed of. */
  async unpack(
    names: readonly string[],
  ): Promise<{ readonly root: string; readonly packages: readonly SystemPackage[] }> {
    const files = join(this.#work, `files-${++this.#unpacked}`);
    const root = join(this.#work, `root-${this.#unpacked}`);
    for (const directory of [files, root]) mkdirSync(directory);
    await this.#apt(files, "download", ...names);
    const distribution = /^ID=(\S+)$/m.exec(readFileSync("/etc/os-release", "utf8"))?.[1] ?? "debian";
    const packages: SystemPackage[] = [];
    for (const file of globSync("*.deb", { cwd: files }).sort()) {
      await runCommand("dpkg-deb", ["--extract", file, root], { cwd: files });
      const control = await runCommand("dpkg-deb", ["--field", file], { cwd: files });
      const field = (name: string): string => new RegExp(`^${name}: (.*)$`, "m").exec(control)?.[1] ?? "";
      const [name, version, architecture] = [field("Package"), field("Version"), field("Architecture")];
      packages.push({ name, version, architecture, distribution, control });
    }
    return { root, packages };
  }

  async #apt(cwd: string, ...args: readonly string[]): Promise<void> {
    await runCommand("apt-get", [...this.#options, "--quiet=2", ...args], { cwd });
  }

  [Symbol.dispose](): void {
    rmSync(this.#work, { recursive: true, force: true });
  }
}
