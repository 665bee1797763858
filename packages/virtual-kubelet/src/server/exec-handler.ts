// exec and attach: what is asked, of a container that runs, carried from the wire to the provider and its outcome back.
import { errorText } from "../errors.ts";
import type { ContainerIO, ContainerTarget } from "../provider/streams.ts";
import type { CallContext } from "../provider.ts";
import type { CommandOutcome, RemoteCommand, StreamsWanted } from "../streaming/remote-command.ts";
import { UpgradeRefusal } from "../streaming/upgrade-refusal.ts";
import { audit, forwardedFor } from "./audit.ts";
import { containerSpec, isRunning, podTarget } from "./container-target.ts";
import type { StreamCall, StreamHandler } from "./stream-call.ts";
import { accepted, type StreamEnvironment, trafficOf } from "./stream-environment.ts";
import { wireOf } from "./wires.ts";

/** Runs it and says how it ended. */
type Work = (target: ContainerTarget, io: ContainerIO, context: CallContext) => Promise<CommandOutcome>;

/** Which streams the query asks for. Throws UpgradeRefusal (400) for none. */
function streamsWanted(query: URLSearchParams): StreamsWanted {
  const asked = (name: string): boolean => query.get(name) === "1";
  const tty = asked("tty");
  const wanted = { stdin: asked("input"), stdout: asked("output"), stderr: asked("error") && !tty, tty };
  if (wanted.stdin || wanted.stdout || wanted.stderr) return wanted;
  throw new UpgradeRefusal(400, "you must specify at least 1 of stdin, stdout, stderr");
}

export function execHandler(environment: StreamEnvironment): StreamHandler {
  return async (call) => {
    const wanted = streamsWanted(call.query);
    const pod = podTarget(call.node, call.params);
    const { provider } = call.node;
    const { runInContainer } = provider;
    if (runInContainer === undefined) throw new UpgradeRefusal(501, "exec is not supported by this node's provider");
    const { container = "" } = call.params;
    if (!(await isRunning(call.node, pod, container, call)))
      throw new UpgradeRefusal(500, `container not found (${JSON.stringify(container)})`);
    const command = call.query.getAll("command");
    if (command.length === 0) throw new UpgradeRefusal(400, "you must specify a command");
    const target = { owner: call.node.ownerOf(pod), pod, container };
    await carry(
      environment,
      call,
      { action: "exec", target, wanted, command, tty: wanted.tty },
      async (of, io, context) => {
        try {
          const { exitCode } = await runInContainer.call(provider, of, command, io, context);
          return outcomeOf(exitCode);
        } catch (error) {
          return { type: "failure", message: `error executing command in container: ${errorText(error)}` };
        }
      },
    );
  };
}

export function attachHandler(environment: StreamEnvironment): StreamHandler {
  return async (call) => {
    const wanted = streamsWanted(call.query);
    const pod = podTarget(call.node, call.params);
    const { provider } = call.node;
    const { attachToContainer } = provider;
    if (attachToContainer === undefined)
      throw new UpgradeRefusal(501, "attach is not supported by this node's provider");
    const { container = "" } = call.params;
    if (!(await isRunning(call.node, pod, container, call))) {
      const { name, namespace = "" } = pod.metadata;
      throw new UpgradeRefusal(500, `container ${container} not found in pod ${name}_${namespace}`);
    }
    const tty = containerSpec(pod, container)?.tty === true;
    const target = { owner: call.node.ownerOf(pod), pod, container };
    await carry(environment, call, { action: "attach", target, wanted, tty }, async (of, io, context) => {
      try {
        await attachToContainer.call(provider, of, io, context);
        return { type: "success" };
      } catch (error) {
        return { type: "failure", message: `error attaching to container: ${errorText(error)}` };
      }
    });
  };
}

export function outcomeOf(exitCode: number): CommandOutcome {
  if (exitCode === 0) return { type: "success" };
  if (Number.isInteger(exitCode) && exitCode > 0 && exitCode < 256) return { type: "exit", exitCode };
  return { type: "failure", message: `error executing command in container: no exit code: ${exitCode}` };
}

interface Carried {
  readonly action: "exec" | "attach";
  readonly target: ContainerTarget;
  readonly wanted: StreamsWanted;
  /** Of the container's side; the client may have asked for another. */
  readonly tty: boolean;
  readonly command?: readonly string[] | undefined;
}

async function carry(environment: StreamEnvironment, call: StreamCall, what: Carried, work: Work): Promise<void> {
  const { upgrade, node, pattern } = call;
  if (upgrade === undefined) throw new UpgradeRefusal(400, "Upgrade request required");
  const wire = wireOf(environment.wires, upgrade.request);
  const { limits } = environment;
  const { request, socket, head } = upgrade;
  const { target } = what;
  const { container } = target;
  const opened = await accepted(call, () => wire.remoteCommand(request, socket, head, what.wanted, limits));
  if (opened === undefined) return;
  const session = environment.sessions.open({ node, pod: target.pod, container, pattern });
  const { uid } = target.owner;
  const { remoteAddress, user } = call;
  const { action, command } = what;
  const subject = {
    action,
    user,
    uid,
    command,
    remoteAddress,
    protocol: wire.name,
    ...forwardedFor(call.headers),
  };
  const ended = audit(call.log, subject, environment.auditArguments);
  const before = trafficOf(socket);
  const stop = AbortSignal.any([call.signal, opened.signal, session.signal]);
  let outcome: CommandOutcome = { type: "failure", message: "internal error" };
  try {
    const io = containerIO(opened, what.tty);
    outcome = await orEnded(work(target, io, { signal: stop, log: call.log }), stop);
    await opened.finish(outcome);
  } finally {
    session.close();
    const after = trafficOf(socket);
    ended({
      outcome: outcomeText(outcome),
      bytesIn: after.bytesIn - before.bytesIn,
      bytesOut: after.bytesOut - before.bytesOut,
    });
  }
}

/** A provider that does not hear the signal holds up nobody: its work is left behind. */
async function orEnded(work: Promise<CommandOutcome>, stop: AbortSignal): Promise<CommandOutcome> {
  const { promise, resolve } = Promise.withResolvers<CommandOutcome>();
  const end = (): void => resolve({ type: "failure", message: errorText(stop.reason) });
  if (stop.aborted) end();
  stop.addEventListener("abort", end, { once: true });
  try {
    return await Promise.race([work, promise]);
  } finally {
    stop.removeEventListener("abort", end);
  }
}

function containerIO(command: RemoteCommand, tty: boolean): ContainerIO {
  const { stdin, stdout, stderr, resize } = command;
  // An error of a stream ends the command by its signal; nobody need listen for it to keep the process alive.
  for (const stream of [stdin, stdout, stderr]) stream?.on("error", () => undefined);
  return {
    tty,
    ...(stdin && { stdin }),
    ...(stdout && { stdout }),
    ...(stderr && !tty && { stderr }),
    ...(resize && tty && { resize }),
  };
}

function outcomeText(outcome: CommandOutcome): string {
  if (outcome.type === "success") return "ok";
  return outcome.type === "exit" ? `exit ${outcome.exitCode}` : outcome.message;
}
