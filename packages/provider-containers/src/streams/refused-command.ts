// Engines tell that a command cannot be run by what looks like its own output and exit code. Held back until it is clear which.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";

export interface RefusalWords {
  readonly beginnings: readonly string[];
  readonly codes: readonly number[];
}

/** How both engines begin; Podman names the OCI runtime. */
const engineWords: RefusalWords = {
  beginnings: ["Error: runc: exec failed", "Error: crun: ", "Error: OCI ", "OCI runtime exec failed"],
  codes: [126, 127],
};
/** Of runc itself. */
export const runtimeWords: RefusalWords = {
  beginnings: ["exec failed: ", "cannot exec in a ", "container does not exist"],
  codes: [255],
};

/** Of one refusal. */
const mostHeld = 8 * 1024;

export class HeldOutput {
  readonly #words: RefusalWords;
  #held: Buffer = Buffer.alloc(0);
  #through = false;

  constructor(words: RefusalWords = engineWords) {
    this.#words = words;
  }

  /** What can be passed on. */
  take(chunk: Uint8Array): Uint8Array | undefined {
    if (this.#through) return chunk;
    this.#held = Buffer.concat([this.#held, chunk]);
    if (this.#held.length <= mostHeld && this.#mayBeRefusal()) return undefined;
    return this.rest();
  }

  /** All that was held; from now on nothing is. */
  rest(): Uint8Array | undefined {
    const held = this.#held;
    this.#through = true;
    this.#held = Buffer.alloc(0);
    return held.length === 0 ? undefined : held;
  }

  /** The engine's text, where the command never began. NotFound: nor does the container run. */
  refusal(exitCode: number): VirtualKubeletError | undefined {
    const text = this.#held.toString();
    const { beginnings, codes } = this.#words;
    if (!codes.includes(exitCode) || !beginnings.some((each) => text.startsWith(each))) return undefined;
    const [line = ""] = text.split(/\r?\n/);
    if (/container does not exist|stopped container|not running/.test(line))
      return new VirtualKubeletError("NotFound", `the container is not running: ${line}`);
    const bare = line
      .replace(/^Error: (runc: |crun: )?/, "")
      .replace(/^OCI runtime exec failed: /, "")
      .replace(/: OCI (runtime attempted to invoke a command that was not found|permission denied)$/, "")
      .replace(/: unknown$/, "");
    return new VirtualKubeletError("Invalid", `failed to exec in container: OCI runtime exec failed: ${bare}: unknown`);
  }

  #mayBeRefusal(): boolean {
    const { beginnings } = this.#words;
    const start = this.#held.toString("latin1", 0, Math.max(...beginnings.map((each) => each.length)));
    return beginnings.some((each) => each.startsWith(start) || start.startsWith(each));
  }
}
