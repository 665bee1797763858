// The files of the runs in which commands have worked: made when the first one comes, freed when the run ends.
import type { Clock } from "../../clock.ts";
import { pause } from "../../clock.ts";
import type { Container, EphemeralContainer } from "../../kube/types.gen.ts";
import type { ContainerTarget } from "../../provider/streams.ts";
import type { RunWatch } from "./run-watch.ts";
import type { ContainerRun } from "./runs.ts";
import { encode } from "./shell/bytes.ts";
import { commands } from "./shell/commands.ts";
import { placeCommands } from "./shell/commands-files.ts";
import { type Budget, Files } from "./shell/files.ts";

const capacity = 256 * 1024 ** 2;
const capacityOfAll = 1024 ** 3;
const retryMs = 1000;

const osRelease = `NAME="Mock Linux"
ID=mock
PRETTY_NAME="Mock Linux (simulated, nothing runs here)"
VERSION_ID="1"
`;

export class ContainerFiles {
  readonly #clock: Clock;
  readonly #watch: RunWatch;
  readonly #signal: AbortSignal;
  readonly #budget: Budget = { left: capacityOfAll };
  readonly #runs = new Map<string, { readonly attempt: number; readonly files: Files }>();

  /** When the signal aborts, nothing is freed any more, nor waited for. */
  constructor(watch: RunWatch, clock: Clock, signal: AbortSignal) {
    this.#watch = watch;
    this.#clock = clock;
    this.#signal = signal;
  }

  of(
    target: ContainerTarget,
    spec: Container | EphemeralContainer | undefined,
    run: ContainerRun,
    hostname: string,
  ): Files {
    const key = `${target.owner.uid}/${target.container}`;
    const known = this.#runs.get(key);
    if (known?.attempt === run.attempt) return known.files;
    known?.files.close();
    const files = new Files(capacity, this.#budget, () => this.#clock.now());
    fill(files, spec, hostname);
    this.#runs.set(key, { attempt: run.attempt, files });
    void this.#freeAtEnd(key, target, run, files);
    return files;
  }

  async #freeAtEnd(key: string, target: ContainerTarget, run: ContainerRun, files: Files): Promise<void> {
    while (!this.#signal.aborted) {
      try {
        const { ended } = await this.#watch.ended(target.owner, target.container, run, this.#signal);
        if (ended === undefined) return;
        files.close();
        if (this.#runs.get(key)?.files === files) this.#runs.delete(key);
        return;
      } catch {
        // The backend cannot be asked: whether the run has ended is not known, so its files stay.
        await pause(this.#clock, retryMs, this.#signal);
      }
    }
  }
}

function fill(files: Files, spec: Container | EphemeralContainer | undefined, hostname: string): void {
  const mounts = (spec?.volumeMounts ?? []).map(({ mountPath }) => mountPath);
  const workingDir = spec?.workingDir === undefined ? [] : [spec.workingDir];
  for (const path of ["/bin", "/dev", "/etc", "/root", "/tmp", "/var/log", ...mounts, ...workingDir]) {
    files.makeDirectory(path, true);
  }
  for (const name of ["null", "zero", "urandom"]) files.create(`/dev/${name}`, 0o666);
  const texts = {
    "/etc/hostname": `${hostname}\n`,
    "/etc/hosts": `127.0.0.1\tlocalhost\n127.0.0.1\t${hostname}\n`,
    "/etc/os-release": osRelease,
    "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n",
  };
  for (const [path, text] of Object.entries(texts)) {
    files.create(path);
    files.append(path, encode(text));
  }
  placeCommands(files, Object.keys(commands));
}
