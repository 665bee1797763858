// A directory that keeps certificates with their keys, and requests under way, across restarts. Files are replaced whole and
// read by their owner only.
import { randomUUID } from "node:crypto";
import { access, chmod, constants, mkdir, open, readFile, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import { VirtualKubeletError } from "../errors.ts";
import type { CertifiedKey } from "./certificate-pair.ts";

/** A CertificateSigningRequest that has no answer yet. */
export interface PendingRequest {
  /** Of the API object. */
  readonly name: string;
  /** Equal for requests of the same names (`subjectKey`). */
  readonly subject: string;
  /** PKCS #10, PEM. */
  readonly request: string;
  readonly key: string;
}

/** Replaces a file in one step, readable by its owner only; its directory is made when it is missing. */
export async function writeSecretFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.writeFile(text);
      // An umask may take rights away, and must not.
      await chmod(temporary, 0o600);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

export class CertificateStore {
  /** Certificate and key in one PEM file, e.g. `<directory>/kubelet-server-current.pem`. */
  readonly path: string;
  readonly #pendingPath: string;

  /** `name`: e.g. "kubelet-server". */
  constructor(directory: string, name: string) {
    this.path = join(directory, `${name}-current.pem`);
    this.#pendingPath = join(directory, `${name}-pending.json`);
  }

  /** Makes the directory. Throws Invalid when no file can be written there. */
  async prepare(): Promise<void> {
    const directory = dirname(this.path);
    try {
      await mkdir(directory, { recursive: true, mode: 0o700 });
      await access(directory, constants.W_OK);
    } catch (error) {
      const code = error instanceof Error && "code" in error ? String(error.code) : "error";
      throw new VirtualKubeletError("Invalid", `cannot write to ${directory}: ${code}`, { cause: error });
    }
  }

  /** Undefined when nothing is kept. Throws Unavailable when it cannot be read. */
  async read(): Promise<CertifiedKey | undefined> {
    const text = await readIfThere(this.path);
    return text === undefined ? undefined : splitPem(text);
  }

  async write({ cert, key }: CertifiedKey): Promise<void> {
    await writeSecretFile(this.path, `${cert.trimEnd()}\n${key.trimEnd()}\n`);
  }

  async readPending(): Promise<PendingRequest | undefined> {
    const text = await readIfThere(this.#pendingPath);
    if (text === undefined) return undefined;
    let parsed: unknown;
    try {
      parsed = JSON.parse(text);
    } catch {
      // Not ours or damaged: as good as none.
      return undefined;
    }
    return isPending(parsed) ? parsed : undefined;
  }

  async writePending(pending: PendingRequest): Promise<void> {
    await writeSecretFile(this.#pendingPath, `${JSON.stringify(pending)}\n`);
  }

  async clearPending(): Promise<void> {
    await rm(this.#pendingPath, { force: true });
  }
}

/** The blocks of a PEM text that are certificates, and the others. */
export function splitPem(text: string): CertifiedKey {
  const blocks = text.match(/-----BEGIN ([A-Z0-9 ]+)-----[\s\S]*?-----END \1-----/g) ?? [];
  const isCertificate = (block: string): boolean => block.startsWith("-----BEGIN CERTIFICATE-----");
  const join = (some: readonly string[]): string => some.map((block) => `${block}\n`).join("");
  return {
    cert: join(blocks.filter(isCertificate)),
    key: join(blocks.filter((block) => !isCertificate(block))),
  };
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    const code = error instanceof Error && "code" in error ? String(error.code) : "error";
    if (code === "ENOENT") return undefined;
    throw new VirtualKubeletError("Unavailable", `cannot read ${path}: ${code}`, { cause: error });
  }
}

function isPending(value: unknown): value is PendingRequest {
  if (typeof value !== "object" || value === null) return false;
  return ["name", "subject", "request", "key"].every(
    (field) => field in value && typeof Reflect.get(value, field) === "string",
  );
}
