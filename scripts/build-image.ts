// npm run image: the container image of the program, without any image to start from.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { errorText } from "../packages/virtual-kubelet/src/errors.ts";
import { buildArguments, buildImage } from "./image/build-image.ts";
import { imageContext, variantName } from "./image/image-context.ts";
import { providerNames, versionOfCore } from "./image/program-tree.ts";
import { runCommand } from "./packages/run-command.ts";
import { root, workspacePackages } from "./packages/workspace.ts";

const usage = `usage: npm run image -- [options]

Builds the container image of the program with Podman or Docker, from Debian packages, the Node.js that the lock file
pins, and the packages of this repository. Needs apt-get and dpkg-deb.

  --provider NAME     a provider in it beside the built-in ones (repeatable): ${providerNames().join(", ")}
  --tag NAME          default: localhost/virtual-kubelet:VERSION, or :VERSION-PROVIDER
  --engine NAME       podman or docker; default podman
  --arch NAME         amd64 or arm64; default: this machine's
  --context DIR       only puts the context together there, and says how to build it
  -h, --help

SOURCE_DATE_EPOCH is the date of all files and of the image, in seconds; default 0, so that the same versions make the same
image.`;

const engineNames = ["podman", "docker"] as const;
const architectures = ["amd64", "arm64"] as const;

async function main(): Promise<number> {
  const { values: flags } = parseArgs({
    options: {
      provider: { type: "string", multiple: true, default: [] },
      tag: { type: "string" },
      engine: { type: "string", default: "podman" },
      arch: { type: "string", default: process.arch === "arm64" ? "arm64" : "amd64" },
      context: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  const kind = engineNames.find((name) => name === flags.engine);
  const architecture = architectures.find((name) => name === flags.arch);
  const epoch = Number(process.env["SOURCE_DATE_EPOCH"] ?? 0);
  const faults = [
    ...(kind === undefined ? [`--engine is ${flags.engine}; it is podman or docker`] : []),
    ...(architecture === undefined ? [`--arch is ${flags.arch}; it is amd64 or arm64`] : []),
    ...(Number.isSafeInteger(epoch) && epoch >= 0 ? [] : ["SOURCE_DATE_EPOCH is no number of seconds"]),
  ];
  if (flags.help) {
    console.log(usage);
    return 0;
  }
  if (kind === undefined || architecture === undefined || faults.length > 0) {
    console.error(faults.join("\n"));
    return 2;
  }

  const projects = workspacePackages().map((each) => each.directory);
  await runCommand(join(root, "node_modules/.bin/tsc"), ["-b", ...projects], { cwd: root });
  const temporary = flags.context === undefined ? mkdtempSync(join(tmpdir(), "virtual-kubelet-image-")) : undefined;
  const context = temporary ?? resolve(flags.context ?? "");
  try {
    const providers = [...new Set(flags.provider)];
    await imageContext({ directory: context, variants: [providers], architecture, epoch });
    const variant = variantName(providers);
    const version = versionOfCore();
    const suffix = variant === "core" ? "" : `-${variant.replaceAll(",", "-")}`;
    const tag = flags.tag ?? `localhost/virtual-kubelet:${version}${suffix}`;
    const revision = await runCommand("git", ["rev-parse", "HEAD"], { cwd: root }).catch(() => "unknown");
    const options = { context, variant, tag, version, revision, architecture, epoch };
    if (flags.context !== undefined) {
      console.log([kind, ...buildArguments(kind, options)].join(" "));
      return 0;
    }
    const size = await buildImage({ kind, run: (args) => runCommand(kind, args) }, options);
    console.log(`${tag}: ${(size / 1e6).toFixed(1)} MB`);
    return 0;
  } finally {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true });
  }
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(errorText(error));
  process.exitCode = 1;
}
