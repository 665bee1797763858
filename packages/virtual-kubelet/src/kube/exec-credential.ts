// Credential plugins of a kubeconfig: runs the command, reads the ExecCredential it prints, keeps it until it expires.
import { spawn } from "node:child_process";
import * as v from "valibot";
import type { Clock } from "../clock.ts";
import { VirtualKubeletError } from "../errors.ts";
import type { Logger } from "../log.ts";
import type { ClusterConfig, ExecConfig } from "./cluster-config.ts";

export interface ExecResult {
  readonly token: string | undefined;
  readonly clientCertificate: string | undefined;
  readonly clientKey: string | undefined;
}

export interface ExecPluginOptions {
  readonly clock: Clock;
  readonly log: Logger;
  readonly cluster: Pick<ClusterConfig, "server" | "tlsServerName" | "insecureSkipTlsVerify" | "proxyUrl"> & {
    readonly readAuthority: () => Promise<string | undefined>;
  };
  /** Is there a terminal on standard input? Default: asked of the process. */
  readonly terminal?: boolean | undefined;
}

/** A plugin that cannot talk to anybody is ended after this. */
const longestRunMs = 60_000;
/** Renewed so much before the end, so that a request under way does not meet it. */
const renewBeforeMs = 10_000;
const outputLimit = 1 << 20;

const credentialSchema = v.object({
  apiVersion: v.string(),
  kind: v.literal("ExecCredential"),
  status: v.object({
    expirationTimestamp: v.optional(v.pipe(v.string(), v.isoTimestamp())),
    token: v.optional(v.string()),
    clientCertificateData: v.optional(v.string()),
    clientKeyData: v.optional(v.string()),
  }),
});

export class ExecPlugin {
  readonly #config: ExecConfig;
  readonly #options: ExecPluginOptions;
  #known: { readonly result: ExecResult; readonly until: number } | undefined;
  #running: Promise<ExecResult> | undefined;

  constructor(config: ExecConfig, options: ExecPluginOptions) {
    this.#config = config;
    this.#options = options;
  }

  /** The plugin's credential; one run serves all who ask meanwhile. Throws Unauthorized. */
  get(): Promise<ExecResult> {
    if (this.#known !== undefined && this.#options.clock.now() < this.#known.until)
      return Promise.resolve(this.#known.result);
    this.#running ??= this.#run().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Until when get() answers the same, in milliseconds of the clock. */
  get goodUntil(): number {
    return this.#known?.until ?? Number.NEGATIVE_INFINITY;
  }

  /** The next get() runs the plugin. */
  forget(): void {
    this.#known = undefined;
  }

  async #run(): Promise<ExecResult> {
    const { command, apiVersion, interactiveMode } = this.#config;
    const terminal = this.#options.terminal ?? process.stdin.isTTY === true;
    if (interactiveMode === "Always" && !terminal)
      throw new VirtualKubeletError(
        "Unauthorized",
        `credential plugin ${command} needs a terminal (interactiveMode Always) and there is none`,
      );
    const interactive = terminal && interactiveMode !== "Never";
    const info = { apiVersion, kind: "ExecCredential", spec: { interactive, ...(await this.#cluster()) } };
    const output = await this.#spawn(JSON.stringify(info), interactive);
    const { status } = this.#parse(output);
    const { token, clientCertificateData, clientKeyData, expirationTimestamp } = status;
    if ((clientCertificateData === undefined) !== (clientKeyData === undefined))
      throw this.#fault("printed a client certificate without its key or the other way round");
    if (token === undefined && clientCertificateData === undefined)
      throw this.#fault("printed neither a token nor a client certificate");
    const result = { token, clientCertificate: clientCertificateData, clientKey: clientKeyData };
    const until = expirationTimestamp === undefined ? Number.POSITIVE_INFINITY : Date.parse(expirationTimestamp);
    const now = this.#options.clock.now();
    // One that is about to expire when printed is still used for the callers waiting, and for a second.
    this.#known = { result, until: Math.max(until - renewBeforeMs, Math.min(until, now + 1000)) };
    return result;
  }

  async #cluster(): Promise<Readonly<Record<string, unknown>>> {
    if (!this.#config.provideClusterInfo) return {};
    const { server, tlsServerName, insecureSkipTlsVerify, proxyUrl, readAuthority } = this.#options.cluster;
    const authority = await readAuthority();
    return {
      cluster: {
        server,
        ...(tlsServerName === undefined ? {} : { "tls-server-name": tlsServerName }),
        ...(insecureSkipTlsVerify === true ? { "insecure-skip-tls-verify": true } : {}),
        ...(authority === undefined ? {} : { "certificate-authority-data": Buffer.from(authority).toString("base64") }),
        ...(proxyUrl === undefined ? {} : { "proxy-url": proxyUrl }),
        config: this.#config.clusterExtension ?? null,
      },
    };
  }

  #parse(output: string): v.InferOutput<typeof credentialSchema> {
    let printed: unknown;
    try {
      printed = JSON.parse(output);
    } catch {
      // The parser's message would quote the output, which may hold a token.
      throw this.#fault("printed no JSON");
    }
    const result = v.safeParse(credentialSchema, printed);
    if (!result.success) {
      const fields = result.issues.map((issue) => v.getDotPath(issue) ?? "the document").join(", ");
      throw this.#fault(`printed no valid ExecCredential: ${fields}`);
    }
    if (result.output.apiVersion !== this.#config.apiVersion)
      throw this.#fault(`printed ${result.output.apiVersion} although ${this.#config.apiVersion} was asked for`);
    return result.output;
  }

  #fault(what: string, cause?: unknown): VirtualKubeletError {
    return new VirtualKubeletError("Unauthorized", `credential plugin ${this.#config.command} ${what}`, { cause });
  }

  #spawn(info: string, interactive: boolean): Promise<string> {
    const { command, args, env, installHint } = this.#config;
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    const child = spawn(command, args, {
      env: { ...process.env, ...env, KUBERNETES_EXEC_INFO: info },
      stdio: [interactive ? "inherit" : "ignore", "pipe", "pipe"],
    });
    let output = "";
    let complaint = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      if (output.length < outputLimit) output += text;
    });
    child.stderr?.setEncoding("utf8").on("data", (text: string) => {
      if (interactive) process.stderr.write(text);
      complaint = (complaint + text).slice(-500);
    });
    const timer = interactive ? undefined : setTimeout(() => child.kill("SIGKILL"), longestRunMs);
    child.once("error", (error) => {
      clearTimeout(timer);
      const missing = "code" in error && error.code === "ENOENT";
      const hint = missing && installHint !== undefined ? `\n${installHint}` : "";
      reject(this.#fault(`${missing ? "is not installed" : "could not be started"}${hint}`, error));
    });
    child.once("close", (code, signal) => {
      clearTimeout(timer);
      if (complaint !== "") this.#options.log.debug({ command, stderr: complaint }, "credential plugin said");
      if (code === 0) resolve(output);
      else
        reject(
          this.#fault(
            `failed with ${code === null ? `signal ${signal}` : `exit code ${code}`}${complaint === "" ? "" : `: ${complaint.trim()}`}`,
          ),
        );
    });
    return promise;
  }
}
