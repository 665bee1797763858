// Reaches an engine through the system's ssh client, as the Docker CLI does: with the user's keys, agent, known hosts and
// configuration. A host that is not known, or a key that needs a password to be typed, is an error.
import { type ChildProcess, spawn } from "node:child_process";
import { Agent, type AgentOptions } from "node:http";
import { Duplex, type Readable, type Writable } from "node:stream";
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { EngineAddress } from "./engine-client.ts";

type SshAddress = Extract<EngineAddress, { readonly type: "ssh" }>;

/** Whichever of the two is there connects its standard input and output with its service. */
const dial =
  "if command -v docker >/dev/null 2>&1; then exec docker system dial-stdio; else exec podman system dial-stdio; fi";

export function sshArguments(address: SshAddress): readonly string[] {
  return [
    ...["-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=30", "-o", "ServerAliveInterval=15"],
    ...["-p", String(address.port)],
    ...(address.username === "" ? [] : ["-l", address.username]),
    ...["--", address.host, dial],
  ];
}

export class SshAgent extends Agent {
  readonly #address: SshAddress;
  readonly #command: string;

  constructor(address: SshAddress, options: AgentOptions, command = "ssh") {
    super(options);
    this.#address = address;
    this.#command = command;
  }

  override createConnection(): Duplex {
    return new ProcessConnection(
      spawn(this.#command, [...sshArguments(this.#address)], { stdio: ["pipe", "pipe", "pipe"] }),
    );
  }
}

/** Standard input and output of a process as one connection; what it says on stderr is the reason when it fails. */
class ProcessConnection extends Duplex {
  readonly #child: ChildProcess;
  readonly #input: Writable;
  readonly #output: Readable;
  #said = "";

  constructor(child: ChildProcess & { stdin: Writable; stdout: Readable; stderr: Readable }) {
    super({ allowHalfOpen: true });
    this.#child = child;
    this.#input = child.stdin;
    this.#output = child.stdout;
    child.stderr.on("data", (chunk: Buffer) => {
      this.#said = `${this.#said}${chunk.toString()}`.slice(0, 500);
    });
    child.once("error", (cause) => this.destroy(new VirtualKubeletError("Unavailable", "cannot run ssh", { cause })));
    // The end of its output comes before its exit code, which says whether that was meant.
    child.once("close", (code) => {
      if (this.destroyed) return;
      if (code === 0) this.push(null);
      else
        this.destroy(new VirtualKubeletError("Unavailable", `ssh failed: ${this.#said.trim() || `exit code ${code}`}`));
    });
    child.stdin.on("error", () => {});
    child.stdout.on("data", (chunk: Buffer) => {
      if (!this.push(chunk)) child.stdout.pause();
    });
  }

  /** What http asks of a connection that is kept; the pipe has none of it. */
  setKeepAlive(): this {
    return this;
  }
  setNoDelay(): this {
    return this;
  }
  setTimeout(): this {
    return this;
  }
  ref(): this {
    this.#child.ref();
    return this;
  }
  unref(): this {
    this.#child.unref();
    return this;
  }

  override _read(): void {
    this.#output.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    // A pipe that breaks is the end of ssh, which says why.
    this.#input.write(chunk, () => done());
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#input.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#child.kill();
    done(error);
  }
}
