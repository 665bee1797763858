// The ports that a port-forward over plain WebSocket channels names in its query. Pure.
import { UpgradeRefusal } from "./upgrade-refusal.ts";

/** Ports out of `port=80,81` or `port` repeated, in that order; throws UpgradeRefusal 400 when there is none or one is no port. */
export function portsOf(query: URLSearchParams, most: number): readonly number[] {
  const values = query.getAll("port");
  if (values.length === 0) throw new UpgradeRefusal(400, 'query parameter "port" is required');
  const ports = values.flatMap((value) => {
    if (value === "") throw new UpgradeRefusal(400, 'query parameter "port" cannot be empty');
    return value.split(",").map((text) => {
      const port = /^[0-9]{1,5}$/.test(text) ? Number(text) : 0;
      if (port < 1 || port > 65535) {
        throw new UpgradeRefusal(400, `unable to parse ${JSON.stringify(value.slice(0, 100))} as a port`);
      }
      return port;
    });
  });
  if (ports.length > most) throw new UpgradeRefusal(400, `at most ${most} ports can be forwarded at once`);
  return ports;
}
