// Connections to localhost inside a pod's network, which no address from outside reaches: a small process that has entered the
// network connects, and hands the socket over. One for each network, for as long as it is used.
import { type ChildProcess, spawn } from "node:child_process";
import { readlinkSync } from "node:fs";
import { Socket } from "node:net";
import { extname, join } from "node:path";
import type { Duplex } from "node:stream";
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { carryConnection, connectPort, toolEnvironment } from "@virtual-kubelet/virtual-kubelet/host";
import type { ContainerDetails } from "../engine/engine-client.ts";
import { isOfContainer } from "./exec-kill.ts";

/** An unused one ends. */
const idleMs = 30_000;
const program = join(import.meta.dirname, `port-dialer${extname(import.meta.filename)}`);

/**
 * Resolves when both directions have ended. `pid` is a process of the pod on this machine, or of its network. Unavailable: nobody
 * listens at the port, or the network cannot be entered. NotFound: there is no such process.
 */
export async function forwardPort(
  pid: number,
  port: number,
  connection: Duplex,
  { signal }: { readonly signal: AbortSignal },
): Promise<void> {
  signal.throwIfAborted();
  const network = networkOf(pid);
  if (network === undefined)
    throw new VirtualKubeletError("NotFound", `process ${pid} is not there: no network to enter`);
  if (network === networkOf(process.pid)) return connectPort("localhost", port, connection, signal);
  const socket = await dialerFor(network, pid).dial(port, signal);
  if (socket === undefined)
    throw new VirtualKubeletError("Unavailable", `nothing accepts connections at port ${port} of localhost`);
  await carryConnection(socket, connection, signal);
}

/** As forwardPort, of the network of a container that runs. NotFound where it is not on this machine: its pid is another process's here. */
export async function forwardToContainer(
  { id, pid }: Pick<ContainerDetails, "id" | "pid">,
  port: number,
  connection: Duplex,
  options: { readonly signal: AbortSignal },
): Promise<void> {
  if (!isOfContainer(pid, id))
    throw new VirtualKubeletError("NotFound", `the processes of container ${id} are not on this machine`);
  await forwardPort(pid, port, connection, options);
}

function networkOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/net`);
  } catch {
    return undefined;
  }
}

const dialers = new Map<string, Dialer>();

function dialerFor(network: string, pid: number): Dialer {
  const there = dialers.get(network);
  if (there !== undefined) return there;
  const dialer = new Dialer(pid, () => {
    if (dialers.get(network) === dialer) dialers.delete(network);
  });
  dialers.set(network, dialer);
  return dialer;
}

/** One such process. It keeps ours from ending no more than its sockets do. */
class Dialer {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, PromiseWithResolvers<Socket | undefined>>();
  readonly #gone: () => void;
  #said = "";
  #next = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(pid: number, gone: () => void) {
    this.#gone = gone;
    const args = [
      `--net=/proc/${pid}/ns/net`,
      "--",
      process.execPath,
      "--disable-warning=ExperimentalWarning",
      program,
    ];
    this.#child = spawn("nsenter", args, {
      ...{ stdio: ["ignore", "ignore", "pipe", "ipc"], env: { ...toolEnvironment }, cwd: "/" },
    });
    this.#child.stderr?.on("data", (chunk: Buffer) => {
      this.#said = `${this.#said}${chunk.toString()}`.slice(0, 500);
    });
    this.#child.on("message", (message, handle) => this.#answered(message, handle));
    this.#child.once("error", (cause) => this.#end(cause));
    this.#child.once("close", () => this.#end(new Error(this.#said.trim() || "it ended")));
    this.#child.unref();
    if (this.#child.stderr instanceof Socket) this.#child.stderr.unref();
    this.#child.channel?.unref();
  }

  /** undefined: nobody listens. */
  async dial(port: number, signal: AbortSignal): Promise<Socket | undefined> {
    clearTimeout(this.#idle);
    const id = this.#next++;
    const waiting = Promise.withResolvers<Socket | undefined>();
    this.#waiting.set(id, waiting);
    this.#child.channel?.ref();
    const leave = (): void => waiting.reject(signal.reason);
    signal.addEventListener("abort", leave, { once: true });
    this.#child.send({ id, port }, (error) => {
      if (error !== null) this.#end(error);
    });
    try {
      return await waiting.promise;
    } finally {
      signal.removeEventListener("abort", leave);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) {
        this.#child.channel?.unref();
        this.#idle = setTimeout(() => this.close(), idleMs).unref();
      }
    }
  }

  close(): void {
    clearTimeout(this.#idle);
    this.#gone();
    if (this.#child.connected) this.#child.disconnect();
  }

  #answered(message: unknown, handle: unknown): void {
    const socket = handle instanceof Socket ? handle : undefined;
    // A half that has ended says nothing of the other.
    if (socket !== undefined) socket.allowHalfOpen = true;
    const id = typeof message === "object" && message !== null && "id" in message ? message.id : undefined;
    const waiting = typeof id === "number" ? this.#waiting.get(id) : undefined;
    if (waiting === undefined) socket?.destroy();
    else waiting.resolve(socket);
  }

  #end(cause: Error): void {
    this.#gone();
    clearTimeout(this.#idle);
    for (const { reject } of this.#waiting.values())
      reject(new VirtualKubeletError("Unavailable", "the pod's network cannot be entered", { cause }));
    this.#waiting.clear();
  }
}
