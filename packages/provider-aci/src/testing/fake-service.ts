// What each operation of the fake does, once its caller and its body have been checked.
import { execBody, groupOf } from "./fake-bodies.ts";
import type { FakeGroups } from "./fake-groups.ts";
import { logsOf } from "./fake-logs.ts";
import { FakeRefusal, type FakeReply } from "./fake-refusal.ts";
import type { FakeRegion } from "./fake-region.ts";
import type { FakeRoute } from "./fake-routes.ts";
import type { FakeSockets } from "./fake-sockets.ts";

export interface FakeServiceOptions {
  readonly groups: FakeGroups;
  readonly region: FakeRegion;
  readonly sockets: FakeSockets;
  readonly pageSize: number;
  readonly logLines: number;
}

export class FakeService {
  readonly #options: FakeServiceOptions;

  constructor(options: FakeServiceOptions) {
    this.#options = options;
  }

  /** Throws a FakeRefusal. `host`: the fake's, as the caller reaches it. */
  do(route: FakeRoute, method: string, host: string, url: URL, body: unknown): FakeReply | Promise<FakeReply> {
    const { operation, resourceGroup, name } = route;
    const { groups, region, pageSize } = this.#options;
    switch (operation) {
      case "create":
        return groups.put(resourceGroup, name, groupOf(body));
      case "get":
        return groups.get(resourceGroup, name);
      case "list":
        return groups.list(resourceGroup === "" ? undefined : resourceGroup, url, pageSize);
      case "updateTags":
        return groups.patch(resourceGroup, name, body);
      case "remove":
        return groups.remove(resourceGroup, name);
      case "stop":
      case "start":
      case "restart":
        return groups.act(resourceGroup, name, operation);
      case "lro":
        return groups.operation(name);
      case "subnet":
        return method === "PUT" ? region.putSubnet(name, body) : region.getSubnet(name);
      case "capabilities":
        return region.capabilities();
      case "usage":
        return region.usage(groups.all);
      case "metrics":
        return region.metrics(groups.find(resourceGroup, name), url.searchParams);
      case "permissions":
        return region.permissions();
      case "ping":
        return { status: 200, body: { id: url.pathname, name: resourceGroup, location: region.location } };
      default:
        return this.#ofContainer(route, host, url, body);
    }
  }

  #ofContainer(
    { operation, resourceGroup, name, container }: FakeRoute,
    host: string,
    url: URL,
    body: unknown,
  ): FakeReply | Promise<FakeReply> {
    const { groups, sockets, logLines } = this.#options;
    const group = groups.find(resourceGroup, name);
    const { initContainers = [], containers } = group.body.properties;
    if (![...initContainers, ...containers].some((each) => each.name === container) || group.running === undefined)
      throw new FakeRefusal(404, "ContainerNotFound", `The container '${container}' was not found in '${name}'.`);
    const { running } = group;
    if (operation === "logs") return logsOf(running, container, group.runBefore(container), url.searchParams, logLines);
    if (!group.isRunning(container))
      throw new FakeRefusal(409, "ContainerNotRunning", `The container '${container}' is not running.`);
    const { command, rows = 24, cols = 80 } = execBody(body);
    const size = { width: cols, height: rows };
    return sockets.offer(host, {
      running,
      container,
      size,
      ...(operation === "exec" ? { command: command ?? "" } : {}),
    });
  }
}
