// The image of infra containers: one program of a few instructions that holds a pod's namespaces. As first process of a pod's
// processes it reaps those that others left, and it ends at TERM or INT. Made here, so that no registry is needed for it.
import { type CallContext, parseImageName, VirtualKubeletError } from "@virtual-kubelet/virtual-kubelet";
import type { EngineClient, EngineInfo } from "./engine/engine-client.ts";

/** Changes with the program. */
const ownInfraRepository = "localhost/virtual-kubelet-infra";
const ownInfraImage = `${ownInfraRepository}:1`;

/** A registry on this host, a pod's even, could put another in its place: it would be in the network of every pod. Throws Invalid. */
export function checkPulled(image: string): void {
  if (parseImageName(image).repository === ownInfraRepository)
    throw new VirtualKubeletError("Invalid", `${image} is not to be pulled: it is made here`);
}

/** The one of this node: our own, or what the configuration names. */
export class InfraImage {
  readonly name: string;
  readonly #client: EngineClient;
  readonly #architecture: string;
  #making: Promise<void> | undefined;

  /** `configured`: "" for our own. */
  constructor(client: EngineClient, { architecture }: Pick<EngineInfo, "architecture">, configured: string) {
    this.name = configured === "" ? ownInfraImage : configured;
    this.#client = client;
    this.#architecture = architecture;
  }

  /** Resolves when it is in the engine. Many pods that miss it at once make it once. */
  async make({ signal }: CallContext): Promise<void> {
    signal.throwIfAborted();
    this.#making ??= this.#make().finally(() => {
      this.#making = undefined;
    });
    await this.#making;
  }

  async #make(): Promise<void> {
    const options = { signal: AbortSignal.timeout(makeMs) };
    const client = this.#client;
    if ((await client.inspectImage(this.name, options)) !== undefined) return;
    if (this.name !== ownInfraImage) await client.pullImage(this.name, undefined, options);
    else await client.importImage(this.name, infraRoot(this.#architecture), infraChanges, options);
  }
}

const makeMs = 120_000;

interface Machine {
  /** e_machine of ELF. */
  readonly elf: number;
  /** Expects `data` right behind it; a multiple of eight bytes. */
  readonly code: string;
}

/*
 * rt_sigaction(SIGCHLD, {SIG_IGN, SA_NOCLDWAIT}, 0, 8)      children that end leave nothing behind
 * rt_sigprocmask(SIG_BLOCK, {TERM, INT}, 0, 8)              blocked ones reach a first process, too
 * do n = rt_sigtimedwait({TERM, INT}, 0, 0, 8) while n <= 0
 * exit_group(0)
 */
const machines: Readonly<Record<string, Machine>> = {
  amd64: {
    elf: 62,
    code: [
      "b80d000000 bf11000000 488d354f000000 31d2 41ba08000000 0f05",
      "b80e000000 31ff 488d352f000000 31d2 41ba08000000 0f05",
      "b880000000 488d3d19000000 31f6 31d2 41ba08000000 0f05 85c0 7ee4",
      "b8e7000000 31ff 0f05",
    ].join(""),
  },
  arm64: {
    elf: 183,
    code: [
      "c81080d2 200280d2 01030010 020080d2 030180d2 010000d4",
      "e81080d2 000080d2 01020010 020080d2 030180d2 010000d4",
      "281180d2 60010010 010080d2 020080d2 030180d2 010000d4 1f0000f1 2dffff54",
      "c80b80d2 000080d2 010000d4 1f2003d5",
    ].join(""),
  },
};

/** The set {INT, TERM}; then handler SIG_IGN, flags SA_NOCLDWAIT, no restorer, no mask. */
const data = [0x4002, 1, 2, 0, 0];

const headerBytes = 64 + 56;
const loadedAt = 0x400000;

/** A static ELF program. Throws Unsupported for a processor that there is none for. */
export function infraProgram(architecture: string): Uint8Array {
  const machine = Object.hasOwn(machines, architecture) ? machines[architecture] : undefined;
  if (machine === undefined)
    throw new VirtualKubeletError(
      "Unsupported",
      `there is no infra image of our own for ${architecture}: name one in infraImage`,
    );
  const code = Buffer.from(machine.code.replaceAll(" ", ""), "hex");
  const size = headerBytes + code.length + data.length * 8;
  const file = Buffer.alloc(size);
  // ELF, 64 bits, little endian, version 1; executable.
  file.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  file.writeUInt16LE(2, 16);
  file.writeUInt16LE(machine.elf, 18);
  file.writeUInt32LE(1, 20);
  file.writeBigUInt64LE(BigInt(loadedAt + headerBytes), 24);
  // Program headers begin behind this one; their number is one.
  file.writeBigUInt64LE(64n, 32);
  file.writeUInt16LE(64, 52);
  file.writeUInt16LE(56, 54);
  file.writeUInt16LE(1, 56);
  // All of the file is loaded, to be read and run.
  file.writeUInt32LE(1, 64);
  file.writeUInt32LE(5, 68);
  file.writeBigUInt64LE(BigInt(loadedAt), 80);
  file.writeBigUInt64LE(BigInt(loadedAt), 88);
  file.writeBigUInt64LE(BigInt(size), 96);
  file.writeBigUInt64LE(BigInt(size), 104);
  file.writeBigUInt64LE(0x1000n, 112);
  code.copy(file, headerBytes);
  for (const [index, word] of data.entries())
    file.writeBigUInt64LE(BigInt(word), headerBytes + code.length + index * 8);
  return file;
}

/** Tar file of the image's root: the program, and the directories that engines mount over. */
export function infraRoot(architecture: string): Uint8Array {
  return Buffer.concat([
    ...["dev/", "etc/", "proc/", "sys/"].map((name) => entry(name, 0o755, new Uint8Array())),
    entry("pause", 0o755, infraProgram(architecture)),
    Buffer.alloc(1024),
  ]);
}

/** What its configuration says, as instructions of a Dockerfile. */
const infraChanges: readonly string[] = ['ENTRYPOINT ["/pause"]', "USER 65535:65535"];

/** One entry of a tar file, with what it holds. */
function entry(name: string, mode: number, content: Uint8Array): Uint8Array {
  const header = Buffer.alloc(512);
  const octal = (value: number, length: number): string => `${value.toString(8).padStart(length - 1, "0")}\0`;
  header.write(name, 0);
  header.write(octal(mode, 8), 100);
  header.write(octal(0, 8), 108);
  header.write(octal(0, 8), 116);
  header.write(octal(content.length, 12), 124);
  header.write(octal(0, 12), 136);
  header.write(" ".repeat(8), 148);
  header.write(name.endsWith("/") ? "5" : "0", 156);
  header.write("ustar\0" + "00", 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  const padding = (512 - (content.length % 512)) % 512;
  return Buffer.concat([header, content, Buffer.alloc(padding)]);
}
