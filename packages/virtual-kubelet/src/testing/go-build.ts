// Builds a program out of a pinned Go module, once per user: a lock beside it, progress told, put in place whole.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { access, constants, mkdir, open, readFile, rename, rm, stat, utimes } from "node:fs/promises";
import { homedir, setPriority } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { errorText, VirtualKubeletError } from "../errors.ts";

const run = promisify(execFile);

export interface GoProgram {
  /** What it is called where it is spoken of: "kubectl for Kubernetes 1.36.3". */
  readonly title: string;
  /** Go package; "." for the module itself. */
  readonly package: string;
  /** Folder with go.mod and go.sum. */
  readonly module: string;
  /** Where it goes. Programs in one folder are built one after another. */
  readonly file: string;
  /** The package's tests as a program (`go test -c`). */
  readonly tests?: true | undefined;
  /** Values of string variables, by their full name. */
  readonly variables?: Readonly<Record<string, string>> | undefined;
  /** Build tags, separated by commas. */
  readonly tags?: string | undefined;
  /** What else helps where there is no Go; a sentence. */
  readonly otherwise?: string | undefined;
}

export interface GoBuildOptions {
  readonly env?: NodeJS.ProcessEnv | undefined;
  /** Told what is being built, and every 15 s that it still is. */
  readonly onProgress?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Lets others go first: what `nice` adds, up to 19. */
  readonly niceness?: number | undefined;
}

/** ($XDG_CACHE_HOME or ~/.cache)/virtual-kubelet */
export function cacheDirectory(env: NodeJS.ProcessEnv): string {
  return join(env["XDG_CACHE_HOME"] || join(env["HOME"] || homedir(), ".cache"), "virtual-kubelet");
}

export async function isExecutable(file: string): Promise<boolean> {
  return access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/**
 * The program's file, built when it is not there yet, which needs Go and, the first time, the Go module proxy. A build
 * takes minutes; processes that want the same one wait. Throws Unavailable where Go cannot do it.
 */
export async function cachedOrBuilt(program: GoProgram, options: GoBuildOptions = {}): Promise<string> {
  const { file, module } = program;
  if (await isExecutable(file)) return file;
  await mkdir(dirname(file), { recursive: true });
  await using lock = await Lock.take(join(dirname(file), ".lock"), program, options);
  if (lock.needless || (await isExecutable(file))) return file;
  if (!existsSync(join(module, "go.mod"))) throw new VirtualKubeletError("Internal", `${module} has no go.mod`);
  await build(program, options);
  return file;
}

async function build(program: GoProgram, options: GoBuildOptions): Promise<void> {
  const { env = process.env, onProgress, signal, niceness } = options;
  const { title, module, file } = program;
  const goEnv = { ...env, CGO_ENABLED: "0", GOWORK: "off" };
  await checkGo(program, goEnv);
  const started = Date.now();
  const elapsed = (): string => `${Math.round((Date.now() - started) / 1000)} s`;
  onProgress?.(`building ${title} from Go modules; once, it takes some minutes`);
  const ticker = setInterval(() => onProgress?.(`building ${title}: ${elapsed()}`), 15_000);
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    const variables = Object.entries(program.variables ?? {}).map(([name, value]) => `-X ${name}=${value}`);
    const flags = ["-mod=readonly", "-trimpath", "-buildvcs=false", "-ldflags", ["-s -w", ...variables].join(" ")];
    if (program.tags !== undefined) flags.push("-tags", program.tags);
    const verb = program.tests === undefined ? ["build"] : ["test", "-c"];
    const child = spawn("go", [...verb, ...flags, "-o", temporary, program.package], {
      cwd: module,
      env: goEnv,
      stdio: ["ignore", "ignore", "pipe"],
      ...(signal === undefined ? {} : { signal }),
    });
    if (niceness !== undefined && child.pid !== undefined) setPriority(child.pid, niceness);
    let said = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      said = `${said}${text}`.slice(-4000);
    });
    const [code]: unknown[] = await once(child, "close");
    if (code !== 0) throw new VirtualKubeletError("Internal", `go build of ${title} failed:\n${said.trim()}`);
    await rename(temporary, file);
    onProgress?.(`built ${title} in ${elapsed()}`);
  } finally {
    clearInterval(ticker);
    await rm(temporary, { force: true });
  }
}

/** Go itself says whether it is new enough for the module, or fetches a toolchain that is (GOTOOLCHAIN=auto). */
async function checkGo({ title, module, otherwise }: GoProgram, env: NodeJS.ProcessEnv): Promise<void> {
  const needed = /^go (\S+)$/m.exec(await readFile(join(module, "go.mod"), "utf8"))?.[1] ?? "";
  const install = `Install Go ${needed} or newer (https://go.dev/dl/) and have \`go\` on the PATH`;
  try {
    await run("go", ["env", "GOVERSION"], { cwd: module, env });
  } catch (error) {
    const missing = error instanceof Error && "code" in error && error.code === "ENOENT";
    const what = missing ? "Go is not installed" : `Go is too old or does not work (${errorText(error)})`;
    const advice = otherwise === undefined ? `${install}.` : `${install}, or ${otherwise}`;
    throw new VirtualKubeletError("Unavailable", `Cannot build ${title}: ${what}. ${advice}`);
  }
}

/** A lock file whose owner touches it while it lives; one untouched for 30 s belongs to nobody. */
class Lock implements AsyncDisposable {
  static readonly #staleMs = 30_000;
  readonly #file: string | undefined;
  readonly #touching: NodeJS.Timeout | undefined;

  private constructor(file: string | undefined) {
    this.#file = file;
    if (file === undefined) return;
    this.#touching = setInterval(() => {
      // Gone only if somebody removed the cache: the build then fails by itself.
      utimes(file, new Date(), new Date()).catch(() => undefined);
    }, 5_000);
  }

  /** True when the program was built while waiting for it: nothing is held then. */
  get needless(): boolean {
    return this.#file === undefined;
  }

  static async take(file: string, program: GoProgram, options: GoBuildOptions): Promise<Lock> {
    for (let told = false; ; ) {
      options.signal?.throwIfAborted();
      try {
        await (await open(file, "wx")).close();
        return new Lock(file);
      } catch (error) {
        if (!(error instanceof Error && "code" in error && error.code === "EEXIST")) throw error;
      }
      if (await isExecutable(program.file)) return new Lock(undefined);
      const touched = await stat(file).then(
        ({ mtimeMs }) => mtimeMs,
        () => Date.now(), // released just now
      );
      if (Date.now() - touched > Lock.#staleMs) await rm(file, { force: true });
      else if (!told) {
        told = true;
        options.onProgress?.(`waiting for another process that builds in ${dirname(file)} (wanted: ${program.title})`);
      }
      await sleep(500);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#file === undefined) return;
    clearInterval(this.#touching);
    await rm(this.#file, { force: true });
  }
}
