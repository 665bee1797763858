// The real kubectl as users run it: the one on this machine and one of Kubernetes 1.36, over WebSocket and over SPDY, with
// bytes in and out, a terminal where one is wanted, and an end that is waited for.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { isErrorKind } from "../packages/virtual-kubelet/src/errors.ts";
import { findKubectl } from "../packages/virtual-kubelet/src/testing/binaries.ts";
import { withAllOutput } from "../packages/virtual-kubelet/src/testing/lost-output.ts";
import { usesDevCluster } from "./dev-control-plane.ts";
import { eventually, type Harness } from "./harness.ts";
import { findPeer } from "./peers.ts";

/** One kubectl over one wire. */
export interface Client {
  /** E.g. "kubectl 1.36 over SPDY". */
  readonly name: string;
  readonly program: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface Ended {
  readonly stdout: Buffer;
  readonly stderr: string;
  readonly code: number | null;
}

const bySpdy = { KUBECTL_REMOTE_COMMAND_WEBSOCKETS: "false", KUBECTL_PORT_FORWARD_WEBSOCKETS: "false" };

/** Undefined where Go cannot build it: the development cluster does with the one that is here. */
export async function findNewerKubectl(): Promise<string | undefined> {
  try {
    return await findPeer("kubectl-1.36");
  } catch (error) {
    if (usesDevCluster && isErrorKind(error, "Unavailable")) return undefined;
    throw error;
  }
}

/** Both kubectls over both wires. */
export async function kubectlClients(): Promise<readonly Client[]> {
  const newer = await findNewerKubectl();
  const programs = [
    { name: "kubectl", program: await findKubectl() },
    ...(newer === undefined ? [] : [{ name: "kubectl 1.36", program: newer }]),
  ];
  return programs.flatMap(({ name, program }) => [
    { name: `${name} over WebSocket`, program, env: {} },
    { name: `${name} over SPDY`, program, env: bySpdy },
  ]);
}

/** A kubectl that runs. */
export class Kubectl implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly #out: Buffer[] = [];
  #err = "";
  readonly #ended: Promise<Ended>;

  constructor({ program, env }: Client, args: readonly string[]) {
    this.child = spawn(program, args, { env: { ...process.env, ...env }, stdio: "pipe" });
    this.child.stdout?.on("data", (bytes: Buffer) => this.#out.push(bytes));
    this.child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      this.#err += text;
    });
    // A command that ends before it has read all of its input closes the pipe.
    this.child.stdin?.on("error", () => undefined);
    this.#ended = once(this.child, "close").then(([code]: unknown[]) => ({
      stdout: Buffer.concat(this.#out),
      stderr: this.#err,
      code: typeof code === "number" ? code : null,
    }));
  }

  get stdout(): string {
    return Buffer.concat(this.#out).toString();
  }

  get stderr(): string {
    return this.#err;
  }

  get ended(): Promise<Ended> {
    return this.#ended;
  }

  write(text: string | Uint8Array): void {
    this.child.stdin?.write(text);
  }

  /** Closes its standard input, and answers how it ended. */
  async end(text: string | Uint8Array = ""): Promise<Ended> {
    this.child.stdin?.end(text);
    return this.#ended;
  }

  /** Waits until its standard output (with standard error) shows this. */
  async says(pattern: RegExp | string, deadlineMs = 20_000): Promise<void> {
    await eventually(`${pattern.toString()} in the output`, deadlineMs, () => {
      const text = `${this.stdout}${this.#err}`;
      if (typeof pattern === "string" ? text.includes(pattern) : pattern.test(text)) return true;
      if (this.child.exitCode !== null) throw new Error(`ended with ${this.child.exitCode}: ${text.slice(-2000)}`);
      return false;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill("SIGKILL");
    await this.#ended;
  }
}

/** Starts a kubectl as administrator. */
export function startKubectl(harness: Harness, client: Client, ...args: string[]): Kubectl {
  return new Kubectl(client, ["--kubeconfig", harness.cluster.kubeconfig, ...args]);
}

/** Runs it to its end, with this as its standard input. */
export function runKubectl(
  harness: Harness,
  client: Client,
  args: readonly string[],
  input: string | Uint8Array = "",
): Promise<Ended> {
  return withAllOutput(() => startKubectl(harness, client, ...args).end(input));
}

/** Starts one in a terminal of its own, by script(1): its standard error is in its output. */
export function startInTerminal(harness: Harness, client: Client, ...args: string[]): Kubectl {
  const words = [client.program, "--kubeconfig", harness.cluster.kubeconfig, ...args];
  const command = words.map((word) => `'${word.replaceAll("'", String.raw`'\''`)}'`).join(" ");
  return new Kubectl({ ...client, program: "script" }, ["-qefc", `exec ${command}`, "/dev/null"]);
}
