// Program: the mock's backend in a process of its own. Prints its address on one line of JSON, then serves until TERM.
import { parseArgs } from "node:util";
import { errorText } from "../../errors.ts";
import { AddressPool } from "./addresses.ts";
import { MockBackend } from "./backend.ts";
import { runBackendServer } from "./backend-server.ts";
import { commonSection, readMockConfig } from "./config.ts";

const usage = `usage: backend-main --listen unix:///path.sock|http://127.0.0.1:port [--config file]
--config: a configuration file of the mock provider; its section ${commonSection} sets behaviour, addresses and seed
`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { listen: { type: "string" }, config: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help === true) {
    process.stdout.write(usage);
    return;
  }
  const listen = values.listen;
  if (listen === undefined || !/^(unix:\/\/\/.+|http:\/\/.+:\d+)$/.test(listen)) throw new Error(usage);
  const config = await readMockConfig(commonSection, { path: values.config });
  const { behaviour, seed, consistencyDelayMs } = config;
  const addresses = config.addresses.map((range) => new AddressPool(range));
  const backend = new MockBackend({ addresses, behaviour, seed, consistencyDelayMs });
  const stop = new AbortController();
  for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stop.abort());
  const onListening = (address: string): void => void process.stdout.write(`${JSON.stringify({ address })}\n`);
  await runBackendServer({ backend, listen, onListening }, stop.signal);
}

main().catch((error: unknown) => {
  process.stderr.write(`${errorText(error)}\n`);
  process.exitCode = 1;
});
