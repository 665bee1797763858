// A program of its own, inside a pod's network: connects to ports of localhost there and hands the sockets to its parent. Ends
// with its parent.
import { connect, type Socket } from "node:net";

const hosts = ["127.0.0.1", "::1"];

process.on("message", (message: unknown) => {
  if (typeof message !== "object" || message === null || !("id" in message) || !("port" in message)) return;
  const { id, port } = message;
  if (typeof id === "number" && typeof port === "number") dial(id, port, 0);
});
process.on("disconnect", () => process.exit(0));

function dial(id: number, port: number, index: number): void {
  const host = hosts[index];
  if (host === undefined) {
    process.send?.({ id });
    return;
  }
  const socket: Socket = connect({ host, port, allowHalfOpen: true });
  // What comes first is the parent's to read.
  socket.pause();
  socket.once("error", () => dial(id, port, index + 1));
  socket.once("connect", () => {
    socket.removeAllListeners("error");
    socket.on("error", () => socket.destroy());
    process.send?.({ id }, socket, { keepOpen: false });
  });
}
