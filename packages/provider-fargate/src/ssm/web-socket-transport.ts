// The connection under a session: whole messages over a WebSocket that is asked now and then whether it still is one.
import { type Clock, errorText, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import { WebSocket } from "ws";

export interface SsmTransport {
  send(data: string | Uint8Array): void;
  /** Nothing is received until `resume`. */
  pause(): void;
  resume(): void;
  /** Once it has told that it is closed, or was told to close, it tells nothing any more. */
  close(): void;
}

export interface TransportEvents {
  message(data: Uint8Array): void;
  closed(error: VirtualKubeletError): void;
}

export type ConnectTransport = (events: TransportEvents, signal: AbortSignal) => Promise<SsmTransport>;

export interface WebSocketTransportOptions {
  readonly clock: Clock;
  readonly keepAliveMs: number;
}

/** Larger messages than the service sends are not taken. */
const largestMessage = 1024 * 1024;

/** Connects; rejects with Unauthorized when the service refuses, with Unavailable when it cannot be reached. */
export function webSocketTransport(url: string, options: WebSocketTransportOptions): ConnectTransport {
  return async (events, signal) => {
    const socket = new WebSocket(url, { perMessageDeflate: false, maxPayload: largestMessage });
    const opened = Promise.withResolvers<void>();
    let told = false;
    const tell = (error: VirtualKubeletError): void => {
      opened.reject(error);
      if (told) return;
      told = true;
      events.closed(error);
    };
    let cause: Error | undefined;
    socket.once("open", () => opened.resolve());
    socket.on("error", (error) => {
      cause = error;
    });
    socket.once("unexpected-response", (request, response) => {
      const { statusCode: status = 0 } = response;
      const kind = status === 401 || status === 403 ? "Unauthorized" : "Unavailable";
      tell(
        new VirtualKubeletError(kind, `the session's service answered with status ${status}`, { httpStatus: status }),
      );
      request.destroy();
    });
    socket.once("close", (code, reason) => {
      const said = reason.length === 0 ? "" : `: ${reason.toString("utf8")}`;
      const text = cause === undefined ? `the session's connection was closed (${code}${said})` : errorText(cause);
      // 1008: against the service's policy, as a token that it does not take.
      tell(new VirtualKubeletError(code === 1008 ? "Unauthorized" : "Unavailable", text, { cause }));
    });
    socket.on("message", (data, isBinary) => {
      if (!told && isBinary && Buffer.isBuffer(data)) events.message(data);
    });
    const abort = (): void => {
      cause ??= new VirtualKubeletError("Aborted", "the session was given up while it connected");
      socket.terminate();
    };
    signal.addEventListener("abort", abort, { once: true });
    try {
      if (signal.aborted) abort();
      await opened.promise;
    } finally {
      signal.removeEventListener("abort", abort);
    }
    const keepAlive = keptAlive(socket, options, () => {
      cause ??= new VirtualKubeletError("Unavailable", "the session's connection no longer answers");
    });
    return {
      send: (data) => {
        if (socket.readyState === WebSocket.OPEN) socket.send(data);
      },
      pause: () => {
        keepAlive.pause();
        socket.pause();
      },
      resume: () => {
        socket.resume();
        keepAlive.resume();
      },
      close: () => {
        told = true;
        keepAlive.stop();
        socket.close(1000);
      },
    };
  };
}

/** Pings; a connection that leaves two of them unanswered is ended after `dead`. */
function keptAlive(
  socket: WebSocket,
  { clock, keepAliveMs }: WebSocketTransportOptions,
  dead: () => void,
): { pause(): void; resume(): void; stop(): void } {
  let unanswered = 0;
  let paused = false;
  let cancel = (): void => {};
  const beat = (): void => {
    if (!paused) {
      if (unanswered >= 2) {
        dead();
        socket.terminate();
        return;
      }
      unanswered += 1;
    }
    if (socket.readyState === WebSocket.OPEN) socket.ping();
    cancel = clock.schedule(keepAliveMs, beat);
  };
  cancel = clock.schedule(keepAliveMs, beat);
  socket.on("pong", () => {
    unanswered = 0;
  });
  socket.once("close", () => cancel());
  return {
    pause: () => {
      paused = true;
    },
    resume: () => {
      paused = false;
      unanswered = 0;
    },
    stop: () => cancel(),
  };
}
