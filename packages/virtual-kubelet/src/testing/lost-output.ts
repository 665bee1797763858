// A race of kubectl's own: before 1.34 it may read from its WebSocket before it has made its streams, and says that it drops what came.
const dropped = /Unknown stream id \d+, discarding message/;
const most = 3;

/** Runs it again where output was dropped so: what it asks for must bear that. */
export async function withAllOutput<T extends { readonly stderr: string }>(run: () => Promise<T>): Promise<T> {
  for (let times = 1; ; times++) {
    const ended = await run();
    if (times === most || !dropped.test(ended.stderr)) return ended;
  }
}
