// A port of the loopback that nobody uses just now.
import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** Below those that systems give to connections, and Nomad to tasks: none takes it before the one whom it is for. */
const [lowest, above] = [15_000, 20_000];

export async function freePort(): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    const port = randomInt(lowest, above);
    const server = createServer().listen(port, "127.0.0.1");
    try {
      await once(server, "listening");
    } catch (error) {
      if (attempt === 100) throw error;
      continue;
    }
    server.close();
    await once(server, "close");
    return port;
  }
}
