// Pipes with names for a moment: what a command gets as its streams. (What node gives a child are sockets, which a command cannot
// open again by /dev/stdin, /dev/stdout or /dev/stderr.)
import { chownSync, closeSync, constants, mkdirSync, openSync, rmSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { runTool } from "../../host/run-tool.ts";

export interface CommandPipes {
  /** For the child: standard input, output, error. */
  readonly child: readonly [number, number, number];
  readonly stdin: Socket;
  readonly stdout: Socket;
  readonly stderr: Socket;
  /** Once the child has them: closes our copies of its ends. */
  handedOver(): void;
}

const names = ["stdin", "stdout", "stderr"] as const;

/** `directory` must not exist; it is deleted again. `owner`: who is to be able to open them again. */
export async function commandPipes(
  directory: string,
  owner: { readonly uid: number; readonly gid: number } | undefined,
): Promise<CommandPipes> {
  mkdirSync(directory, { mode: 0o700, recursive: true });
  const opened: number[] = [];
  const openOne = (path: string, flags: number): number => {
    const fd = openSync(path, flags);
    opened.push(fd);
    return fd;
  };
  try {
    const paths = names.map((name) => join(directory, name));
    await runTool("mkfifo", ["-m", "600", ...paths]);
    const both = paths.map((path) => openOne(path, constants.O_RDWR));
    if (owner !== undefined) for (const path of paths) chownSync(path, owner.uid, owner.gid);
    const [input = "", output = "", error = ""] = paths;
    const child = [
      openOne(input, constants.O_RDONLY),
      openOne(output, constants.O_WRONLY),
      openOne(error, constants.O_WRONLY),
    ] as const;
    const nonBlocking = constants.O_NONBLOCK;
    const own = [
      openOne(input, constants.O_WRONLY | nonBlocking),
      openOne(output, constants.O_RDONLY | nonBlocking),
      openOne(error, constants.O_RDONLY | nonBlocking),
    ] as const;
    const stdin = new Socket({ fd: own[0], readable: false, writable: true });
    const [stdout, stderr] = [own[1], own[2]].map((fd) => new Socket({ fd, readable: true, writable: false }));
    if (stdout === undefined || stderr === undefined) throw new Error("no pipes");
    for (const fd of both) closeSync(fd);
    return {
      ...{ child, stdin, stdout, stderr },
      handedOver: () => {
        for (const fd of child) closeSync(fd);
      },
    };
  } catch (error) {
    for (const fd of opened) {
      try {
        closeSync(fd);
      } catch {
        // Closed before.
      }
    }
    throw error;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
