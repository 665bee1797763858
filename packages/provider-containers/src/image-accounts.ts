// Users and groups as an image has them, for what engines do not work out themselves. Read once for each image, from a container
// that is made for that and never runs.
import { randomUUID } from "node:crypto";
import { type CallContext, errorText, isErrorKind } from "@virtual-kubelet/virtual-kubelet";
import type { ImageAccounts } from "./container-user.ts";
import type { EngineClient } from "./engine/engine-client.ts";
import { labels } from "./labels.ts";

const mostKept = 200;
/** Characters; larger ones are read each time. */
const longestKept = 64 * 1024;
const namePrefix = "vk_accounts_";

export class ImageAccountFiles {
  readonly #client: EngineClient;
  readonly #node: string;
  readonly #known = new Map<string, ImageAccounts>();

  constructor(client: EngineClient, node: string) {
    this.#client = client;
    this.#node = node;
  }

  async read(imageID: string, context: CallContext): Promise<ImageAccounts> {
    const known = this.#known.get(imageID);
    if (known !== undefined) return known;
    const found = await this.#read(imageID, context);
    if (found.passwd.length + found.group.length > longestKept) return found;
    const [oldest] = this.#known.keys();
    if (this.#known.size >= mostKept && oldest !== undefined) this.#known.delete(oldest);
    this.#known.set(imageID, found);
    return found;
  }

  /** What is left of calls that were broken off. */
  async sweep(context: CallContext): Promise<void> {
    const client = this.#client;
    for (const { id } of await client.listContainers([`${labels.helper}=${this.#node}`], context)) {
      const found = await client.inspectContainer(id, context).catch((error: unknown) => {
        if (isErrorKind(error, "NotFound")) return undefined;
        throw error;
      });
      // An image can bring the label.
      if (found?.name.startsWith(namePrefix) === true) await client.removeContainer(id, context);
    }
  }

  async #read(imageID: string, context: CallContext): Promise<ImageAccounts> {
    const client = this.#client;
    const body = {
      ...{ Image: imageID, Entrypoint: ["/none"], Labels: { [labels.helper]: this.#node } },
      HostConfig: { NetworkMode: "none" },
    };
    const id = await client.createContainer(`${namePrefix}${randomUUID()}`, body, context);
    try {
      const [passwd, group] = await Promise.all(
        ["/etc/passwd", "/etc/group"].map((path) => client.readContainerFile(id, path, context)),
      );
      const text = (content: Uint8Array | undefined): string => Buffer.from(content ?? []).toString();
      return { passwd: text(passwd), group: text(group) };
    } finally {
      const { log } = context;
      await client.removeContainer(id, { signal: AbortSignal.timeout(30_000) }).catch((error: unknown) => {
        log.warn({ err: errorText(error) }, "a container that was made to look into an image is left");
      });
    }
  }
}
