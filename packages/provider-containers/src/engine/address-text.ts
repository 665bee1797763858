// An engine's address as it is written in configurations and messages.
import type { EngineAddress } from "./engine-client.ts";

export function addressText(address: EngineAddress): string {
  switch (address.type) {
    case "unix":
      return `unix://${address.path}`;
    case "tcp":
      return `tcp://${address.host}:${address.port}`;
    case "ssh":
      return `ssh://${address.username === "" ? "" : `${address.username}@`}${address.host}:${address.port}`;
  }
}
