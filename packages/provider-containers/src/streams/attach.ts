// Connects a client with a container's own process: its output from now on, its input where it has one.
import { type CallContext, type ContainerIO, isErrorKind, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { copyInto, Movement } from "@virtual-kubelet/virtual-kubelet/host";
import type { ContainerDetails, EngineClient } from "../engine/engine-client.ts";
import { holdInput } from "./held-input.ts";
import { TerminalSizes } from "./terminal-sizes.ts";

/** A client whose input has ended gets what the process says to it: until nothing comes for so long, or it never ends. */
const quietMs = 1000;
const longestMs = 2000;

/**
 * Resolves when the process has ended, or the client's input has: unless that is `stdinOnce` and no terminal, where the process is
 * told of the end and its output goes on. NotFound: it does not run.
 */
export async function attachToContainer(
  client: EngineClient,
  details: ContainerDetails & { readonly stdinOnce?: boolean | undefined },
  io: ContainerIO,
  { signal }: CallContext,
): Promise<void> {
  const { id, tty } = details;
  if (!details.running) throw new VirtualKubeletError("NotFound", `container ${details.name} is not running`);
  const once = details.stdinOnce === true && !tty;
  const wanted = io.stdin !== undefined && (details.openStdin || tty);
  const podman = (await client.info({ signal })).flavour === "podman";
  // Held whether or not this client writes: it ends with any client.
  const held =
    podman && client.address.type === "unix" && details.openStdin && !once && !tty ? holdInput(details) : undefined;
  const what = { stdin: wanted && held === undefined, tty };
  const stream = await client.attach(id, what, { signal }).catch((error: unknown) => {
    if (!isErrorKind(error, "Conflict")) throw error;
    throw new VirtualKubeletError("NotFound", `container ${details.name} is not running`, { cause: error });
  });
  const over = new AbortController();
  const until = AbortSignal.any([signal, over.signal]);
  const leave = (): void => stream.destroy();
  until.addEventListener("abort", leave, { once: true });
  const movement = new Movement();
  const output = Promise.all([
    copyInto(stream.stdout, io.stdout, until, movement.moved),
    copyInto(stream.stderr, tty ? undefined : io.stderr, until, movement.moved),
  ]).then(() => {});
  const sizes = new TerminalSizes(tty ? io.resize : undefined);
  const resizing = sizes.follow(
    ({ width, height }) => client.resizeContainer(id, width, height, { signal: until }),
    until,
  );
  const input = wanted && io.stdin !== undefined ? copyInto(io.stdin, held ?? stream.stdin, until) : undefined;
  try {
    const answered = (): Promise<void> => movement.quiet({ quietMs, longestMs, signal: until });
    const told = input?.then(async () => {
      if (until.aborted) return;
      // An input that was for once ends alone; else its client has left.
      if (!once) return answered();
      stream.stdin.end();
      await output;
    });
    await Promise.race([output, ...(told === undefined ? [] : [told])]);
    signal.throwIfAborted();
  } finally {
    over.abort();
    await Promise.all([output, input, resizing]);
  }
}
