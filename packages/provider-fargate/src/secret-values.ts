// One secret of Secrets Manager in the making: values by keys of our own, as containers refer to them. Pure.
import { VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";

/** To be made before the task, and removed with it. */
export interface PlannedSecret {
  readonly name: string;
  readonly text: string;
}

/** Bytes that Secrets Manager takes. */
const mostBytes = 65_536;

export class SecretValues {
  readonly name: string;
  readonly #keys = new Map<string, string>();

  constructor(name: string) {
    this.name = name;
  }

  /** `valueFrom` of it, with the secret's name in the place of its ARN. The same value has one key. */
  add(value: string): string {
    const key = this.#keys.get(value) ?? `v${this.#keys.size}`;
    this.#keys.set(value, key);
    return `${this.name}:${key}::`;
  }

  /** Undefined where nothing was added. Throws Invalid for what is too large. */
  planned(): PlannedSecret | undefined {
    if (this.#keys.size === 0) return undefined;
    const text = JSON.stringify(Object.fromEntries(Array.from(this.#keys, ([value, key]) => [key, value])));
    const bytes = Buffer.byteLength(text);
    if (bytes > mostBytes)
      throw new VirtualKubeletError(
        "Invalid",
        `what the pod has of secrets (variables and files) takes ${bytes} bytes in one secret of Secrets Manager, which holds ${mostBytes}`,
        { field: "spec.volumes" },
      );
    return { name: this.name, text };
  }
}
