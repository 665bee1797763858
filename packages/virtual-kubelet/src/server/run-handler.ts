// /run: a command without stdin, whose output is the answer. Older than exec; kept for who still calls it.
import { Writable } from "node:stream";
import { errorText } from "../errors.ts";
import { UpgradeRefusal } from "../streaming/upgrade-refusal.ts";
import { send, sendText } from "./answers.ts";
import { audit, forwardedFor } from "./audit.ts";
import { isRunning, podTarget } from "./container-target.ts";
import type { KubeletHandler } from "./kubelet-call.ts";

/** Of stdout and stderr together; a command that writes more is ended. */
const mostOutputBytes = 4 * 1024 * 1024;

export function runHandler(options: { readonly auditArguments: boolean }): KubeletHandler {
  return async (call) => {
    const { node, params, query } = call;
    const pod = podTarget(node, params);
    const { provider } = node;
    const { runInContainer } = provider;
    if (runInContainer === undefined) throw new UpgradeRefusal(501, "run is not supported by this node's provider");
    const { container = "" } = params;
    if (!(await isRunning(node, pod, container, call)))
      throw new UpgradeRefusal(500, `container not found (${JSON.stringify(container)})`);
    const command = (query.get("cmd") ?? "").split(" ");
    const owner = node.ownerOf(pod);
    const { user, remoteAddress, protocol } = call;
    const subject = { action: "run", user, uid: owner.uid, command, remoteAddress, protocol } as const;
    const ended = audit(call.log, { ...subject, ...forwardedFor(call.headers) }, options.auditArguments);
    const tooMuch = new AbortController();
    const output: Output = { left: mostOutputBytes, stdout: [], stderr: [], full: () => tooMuch.abort() };
    const signal = AbortSignal.any([call.signal, tooMuch.signal]);
    let outcome = "ok";
    try {
      const io = { tty: false, stdout: collector(output, output.stdout), stderr: collector(output, output.stderr) };
      const context = { signal, log: call.log };
      const { exitCode } = await runInContainer.call(provider, { owner, pod, container }, command, io, context);
      if (tooMuch.signal.aborted) throw new UpgradeRefusal(500, `the output has more than ${mostOutputBytes} bytes`);
      if (exitCode !== 0) {
        outcome = `exit ${exitCode}`;
        const said = Buffer.concat(output.stderr).toString();
        // Not thrown: errors are logged, and neither arguments nor output may be.
        return sendText(call.response, 500, `command '${command.join(" ")}' exited with ${exitCode}: ${said}`);
      }
      send(call.response, 200, Buffer.concat([...output.stdout, ...output.stderr]), {
        "Content-Type": "application/json",
      });
    } catch (error) {
      if (outcome === "ok") outcome = tooMuch.signal.aborted ? "too much output" : errorText(error);
      throw error;
    } finally {
      ended({ outcome, bytesIn: 0, bytesOut: mostOutputBytes - Math.max(0, output.left) });
    }
  };
}

interface Output {
  left: number;
  readonly stdout: Buffer[];
  readonly stderr: Buffer[];
  full(): void;
}

function collector(output: Output, chunks: Buffer[]): Writable {
  return new Writable({
    write(chunk: Buffer, _encoding, callback) {
      output.left -= chunk.length;
      if (output.left < 0) output.full();
      else chunks.push(chunk);
      callback();
    },
  });
}
