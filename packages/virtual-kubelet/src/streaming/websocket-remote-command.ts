// exec and attach over WebSocket: one channel for each stream, one for the outcome, one for sizes of the terminal.
import type { IncomingMessage } from "node:http";
import type { Duplex, Writable } from "node:stream";
import { finished } from "node:stream/promises";
import { type Clock, systemClock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import { messageOf, statusOf } from "./command-status.ts";
import type { CommandOutcome, RemoteCommand, StreamLimits, StreamsWanted } from "./remote-command.ts";
import { TerminalSizes } from "./terminal-sizes.ts";
import {
  type ChannelProtocol,
  channelProtocol,
  channelProtocolNames,
  decodeChannelMessage,
  encodeChannelMessage,
} from "./websocket-channels.ts";
import { channelInput, channelOutput } from "./websocket-streams.ts";
import { upgradeWebSocket } from "./websocket-upgrade.ts";
import { WebSocketWire } from "./websocket-wire.ts";

const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;

/**
 * Answers the handshake and opens the channels. Rejects with UpgradeRefusal before anything was written to `socket`,
 * with Aborted when the client has left already.
 */
export async function acceptWebSocketRemoteCommand(
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
  wanted: StreamsWanted,
  limits: StreamLimits,
  clock: Clock = systemClock,
): Promise<RemoteCommand> {
  const upgraded = upgradeWebSocket(request, socket, head, channelProtocolNames);
  const protocol = channelProtocol(upgraded.protocol);
  const wire = new WebSocketWire(upgraded.webSocket, socket, limits.idleTimeoutMs, clock, (message) =>
    receive(message),
  );
  const stdin = wanted.stdin ? channelInput(wire) : undefined;
  const output = (channel: number): Writable =>
    channelOutput(wire, (piece, room) => encodeChannelMessage(channel, piece, protocol, room));
  const stdout = wanted.stdout ? output(channels.stdout) : undefined;
  const stderr = wanted.stderr && !wanted.tty ? output(channels.stderr) : undefined;
  const sizes = wanted.tty ? new TerminalSizes() : undefined;

  function receive(bytes: Buffer): void {
    const message = decodeChannelMessage(bytes, protocol);
    switch (message.type) {
      case "data":
        if (message.channel === channels.stdin) stdin?.inlet.receive(message.data);
        else if (message.channel === channels.resize && sizes !== undefined && message.data.length > 0) {
          wire.touch();
          sizes.receive(message.data);
        }
        return;
      case "close":
        if (message.channel === channels.stdin) stdin?.inlet.end();
        return;
      case "invalid":
        wire.fail(1007, new VirtualKubeletError("Aborted", `the client sent what cannot be read: ${message.reason}`));
        return;
      case "empty":
    }
  }

  wire.signal.addEventListener("abort", () => {
    const gone = VirtualKubeletError.from(wire.signal.reason);
    stdin?.stream.destroy(gone);
    stdout?.destroy(gone);
    stderr?.destroy(gone);
    sizes?.end();
  });
  // Clients wait for it: there is no other sign that the command was accepted.
  const first = stdout !== undefined ? channels.stdout : stderr !== undefined ? channels.stderr : channels.error;
  wire.send(encodeChannelMessage(first, Buffer.alloc(0), protocol), () => {});

  async function tell(outcome: CommandOutcome): Promise<void> {
    // First, for a client that is still writing may read only then.
    stdin?.stream.destroy();
    sizes?.end();
    await Promise.all([flushed(stdout), flushed(stderr)]);
    const text = outcomeText(outcome, protocol);
    if (text !== undefined) await sent(wire, encodeChannelMessage(channels.error, Buffer.from(text), protocol));
    await wire.close(1000);
  }
  let told: Promise<void> | undefined;
  return {
    stdin: stdin?.stream,
    stdout,
    stderr,
    tty: wanted.tty,
    resize: sizes,
    signal: wire.signal,
    finish(outcome) {
      told ??= tell(outcome);
      return told;
    },
  };
}

function outcomeText(outcome: CommandOutcome, protocol: ChannelProtocol): string | undefined {
  return protocol.jsonStatus ? statusOf(outcome) : messageOf(outcome);
}

/** Ends the stream and waits until all of it has left, or cannot any more. */
async function flushed(stream: Writable | undefined): Promise<void> {
  if (stream === undefined) return;
  stream.end();
  // It fails only with the wire, and the wire is asked next.
  await finished(stream).catch(() => {});
}

/** Waits until the message has left, or cannot any more: closing the wire tells which. */
function sent(wire: WebSocketWire, message: Buffer | string): Promise<void> {
  return new Promise((resolve) => wire.send(message, () => resolve()));
}
