// Engines tell that a command cannot be run by what looks like its own output and exit code. Held back until it is clear which.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";

/** How both engines begin; Podman names the OCI runtime. */
const beginnings = ["Error: runc: exec failed", "Error: crun: ", "Error: OCI ", "OCI runtime exec failed"];
const longest = Math.max(...beginnings.map((each) => each.length));
/** Of one refusal. */
const mostHeld = 8 * 1024;

export class HeldOutput {
  #held: Buffer = Buffer.alloc(0);
  #through = false;

  /** What can be passed on. */
  take(chunk: Uint8Array): Uint8Array | undefined {
    if (this.#through) return chunk;
    this.#held = Buffer.concat([this.#held, chunk]);
    if (this.#held.length <= mostHeld && mayBeRefusal(this.#held)) return undefined;
    return this.rest();
  }

  /** All that was held; from now on nothing is. */
  rest(): Uint8Array | undefined {
    const held = this.#held;
    this.#through = true;
    this.#held = Buffer.alloc(0);
    return held.length === 0 ? undefined : held;
  }

  /** The engine's text, where the command never began. */
  refusal(exitCode: number): VirtualKubeletError | undefined {
    const text = this.#held.toString();
    if ((exitCode !== 126 && exitCode !== 127) || !beginnings.some((each) => text.startsWith(each))) return undefined;
    const [line = ""] = text.split(/\r?\n/);
    const bare = line
      .replace(/^Error: (runc: |crun: )?/, "")
      .replace(/^OCI runtime exec failed: /, "")
      .replace(/: OCI (runtime attempted to invoke a command that was not found|permission denied)$/, "")
      .replace(/: unknown$/, "");
    return new VirtualKubeletError("Invalid", `failed to exec in container: OCI runtime exec failed: ${bare}: unknown`);
  }
}

function mayBeRefusal(held: Buffer): boolean {
  const start = held.toString("latin1", 0, longest);
  return beginnings.some((each) => each.startsWith(start) || start.startsWith(each));
}
