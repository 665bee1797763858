// The root directories of images, put together of programs of this machine: busybox with its applets, programs with the
// libraries that they load, users.
import { execFile } from "node:child_process";
import { chmod, copyFile, mkdir, realpath, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { VirtualKubeletError } from "../../packages/virtual-kubelet/src/errors.ts";

const run = promisify(execFile);

export interface ImageUser {
  readonly name: string;
  readonly uid: number;
  /** Supplementary groups. */
  readonly groups?: readonly { readonly name: string; readonly gid: number }[];
}

/** Of the machine, statically linked: an image needs nothing beside it. */
const busybox = "/bin/busybox";

export class RootDirectory {
  readonly path: string;

  private constructor(path: string) {
    this.path = path;
  }

  /** A root with a shell and the usual tools in /bin, users root and nobody, and /tmp for everybody. */
  static async withShell(path: string, users: readonly ImageUser[] = []): Promise<RootDirectory> {
    const root = new RootDirectory(path);
    for (const name of ["bin", "etc", "root", "proc", "sys", "dev"]) await mkdir(join(path, name), { recursive: true });
    await root.directory("/tmp", 0o1777);
    const { stdout } = await toolOutput(busybox, ["--list"], "busybox-static");
    await root.program(busybox, "/bin/busybox");
    for (const applet of stdout.split("\n").filter((name) => name !== "" && name !== "busybox"))
      await symlink("busybox", join(path, "bin", applet));
    // The shell of Debian's busybox lets no variable through whose name is none for shells, as newer ones do; but tests know its
    // words by heart. So it is this one where it is asked for by its path, and bash where by its name.
    await root.linkedProgram("bash", "bash", "/bin/bash");
    await root.link("/usr/local/bin/sh", "/bin/bash");
    await root.users([{ name: "root", uid: 0 }, { name: "nobody", uid: 65_534 }, ...users]);
    return root;
  }

  async directory(name: string, mode = 0o755): Promise<void> {
    await mkdir(join(this.path, name), { recursive: true });
    // The mode of a mkdir is less the umask.
    await chmod(join(this.path, name), mode);
  }

  async file(name: string, content: string | Uint8Array, mode = 0o644): Promise<void> {
    await mkdir(dirname(join(this.path, name)), { recursive: true });
    await writeFile(join(this.path, name), content);
    await chmod(join(this.path, name), mode);
  }

  /** Copies one file, in place of what is there. */
  async program(from: string, to: string, mode = 0o755): Promise<void> {
    const target = join(this.path, to);
    await mkdir(dirname(target), { recursive: true });
    // An applet's link would be followed to busybox itself.
    await run("rm", ["-f", target]);
    await copyFile(await realpath(from), target);
    await chmod(target, mode);
  }

  /** A program of this machine, by the first of these paths that is there, with all libraries that it loads. */
  async linkedProgram(name: string, debianPackage: string, to = `/usr/bin/${name}`): Promise<void> {
    const found = (await toolOutput("which", [name], debianPackage)).stdout.trim();
    await this.program(found, to);
    const { stdout } = await toolOutput("ldd", [found], "libc-bin");
    for (const [, library] of stdout.matchAll(/(\/\S+) \(0x/g)) {
      if (library !== undefined) await this.program(library, library);
    }
  }

  async link(name: string, target: string): Promise<void> {
    await mkdir(dirname(join(this.path, name)), { recursive: true });
    await run("ln", ["-sfn", target, join(this.path, name)]);
  }

  private async users(users: readonly ImageUser[]): Promise<void> {
    const home = (user: ImageUser): string => (user.uid === 0 ? "/root" : "/");
    const lines = users.map((user) => `${user.name}:x:${user.uid}:${user.uid}:${user.name}:${home(user)}:/bin/sh`);
    const groups = [
      ...users.map(({ name, uid }) => `${name}:x:${uid}:`),
      ...users.flatMap((user) => (user.groups ?? []).map(({ name, gid }) => `${name}:x:${gid}:${user.name}`)),
    ];
    await this.file("/etc/passwd", `${lines.join("\n")}\n`);
    await this.file("/etc/group", `${groups.join("\n")}\n`);
  }
}

async function toolOutput(
  program: string,
  args: readonly string[],
  debianPackage: string,
): Promise<{ stdout: string }> {
  try {
    return await run(program, [...args]);
  } catch (cause) {
    const message = `${[program, ...args].join(" ")} failed; is Debian's ${debianPackage} installed?`;
    throw new VirtualKubeletError("Unavailable", message, { cause });
  }
}
