// The authorities that client certificates are verified against, from a file that may be replaced.
import type { Clock } from "../clock.ts";
import type { Logger } from "../log.ts";
import { bundleFault } from "./ca-bundle.ts";
import { ReplacedFiles, textOf } from "./replaced-files.ts";

export interface ClientCaFileOptions {
  /** Path; PEM, any number of certificates. */
  readonly file: string;
  readonly log: Logger;
  readonly clock?: Clock | undefined;
}

export class ClientCaFile extends ReplacedFiles<string> {
  private constructor(options: ClientCaFileOptions) {
    const { file, log } = options;
    super(
      {
        what: "client CA file",
        read: async () => {
          const found = await textOf(file);
          if ("fault" in found) return { faults: [found.fault] };
          const fault = bundleFault(found.text);
          return fault === undefined ? { value: found.text } : { faults: [`${file} ${fault}`] };
        },
        isSame: (a, b) => a === b,
        taken: (_text, first) => {
          if (!first) log.info({ file }, "client CA replaced");
        },
      },
      options,
    );
  }

  /** Reads it. Throws Invalid when that holds no certificate. */
  static async open(options: ClientCaFileOptions): Promise<ClientCaFile> {
    const source = new ClientCaFile(options);
    await source.readFirst();
    return source;
  }
}
