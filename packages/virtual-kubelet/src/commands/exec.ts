// `virtual-kubelet exec`: runs a command in a container, with its input, its terminal and its exit code.
import { VirtualKubeletError } from "../errors.ts";
import { pods, resourcePath } from "../kube/resource.ts";
import { flagText } from "../program/load-config.ts";
import { type Cluster, openCluster } from "./cluster.ts";
import { ExecClient, type ExecClientOptions, type ExecEnd } from "./exec-client.ts";
import { type Invocation, isSet, WrongUse } from "./invocation.ts";
import { writeAll } from "./output.ts";
import { findTarget, type Target } from "./pod-target.ts";

/** The exit code of the command; 1 where it could not be run. */
export async function exec(input: Invocation): Promise<number> {
  const { line, operands, stdin, stdout, stderr } = input;
  const [word, ...command] = operands;
  if (word === undefined) throw new WrongUse("exec in which pod? exec POD -- COMMAND");
  if (command.length === 0) throw new WrongUse(`exec ${word}: which command? exec ${word} -- COMMAND`);
  await using cluster = await openCluster(input);
  const note = (text: string): void => void stderr.write(`${text}\n`);
  const target = await findTarget(cluster, { word, container: flagText(line, "container"), note });
  const phase = target.pod.status?.phase ?? "Unknown";
  if (phase === "Succeeded" || phase === "Failed")
    throw new VirtualKubeletError(
      "Invalid",
      `cannot exec into a container in a completed pod; current phase is ${phase}`,
    );
  const hasInput = isSet(line, "stdin");
  const terminal = isSet(line, "tty") && hasInput && stdin.isTTY;
  if (isSet(line, "tty") && !terminal)
    note(hasInput ? "Unable to use a TTY: the input is no terminal" : "Unable to use a TTY: it needs -i as well");
  const client = await connect(cluster, {
    url: execUrl(cluster, target, { command, hasInput, terminal }),
    write: (stream, data) => writeAll(stream === "stdout" ? stdout : stderr, data),
  });
  const restore = terminal ? rawTerminal(client, input) : () => undefined;
  let end: ExecEnd;
  try {
    if (hasInput) sendInput(client, stdin);
    end = await client.ended;
  } finally {
    restore();
    stdin.destroy();
    client.close();
  }
  if ("fault" in end) throw new VirtualKubeletError("Unavailable", end.fault);
  if (end.exitCode !== 0) note(`command terminated with exit code ${end.exitCode}`);
  return end.exitCode;
}

interface Command {
  readonly command: readonly string[];
  readonly hasInput: boolean;
  readonly terminal: boolean;
}

function execUrl(cluster: Cluster, { pod, container }: Target, { command, hasInput, terminal }: Command): string {
  const { server, proxyUrl } = cluster.config;
  if (proxyUrl !== undefined || server.startsWith("unix:"))
    throw new VirtualKubeletError("Unsupported", "exec goes through no proxy and no unix socket: use kubectl");
  const { namespace, name } = pod.metadata;
  const query = new URLSearchParams();
  for (const each of command) query.append("command", each);
  query.set("container", container);
  query.set("stdin", String(hasInput));
  query.set("stdout", "true");
  // What a terminal shows comes as one.
  query.set("stderr", String(!terminal));
  query.set("tty", String(terminal));
  const path = cluster.fullPath(resourcePath(pods, { namespace, name, subresource: "exec" }));
  return `${new URL(server).origin.replace(/^http/, "ws")}${path}?${query.toString()}`;
}

/** Once more where the credentials were old. */
async function connect(cluster: Cluster, options: Omit<ExecClientOptions, "credential">): Promise<ExecClient> {
  const credential = await cluster.credentials.current();
  try {
    return await ExecClient.connect({ ...options, credential });
  } catch (error) {
    const refused = error instanceof VirtualKubeletError && error.httpStatus === 401;
    if (!refused || !(await cluster.credentials.refused(credential))) throw error;
    return ExecClient.connect({ ...options, credential: await cluster.credentials.current() });
  }
}

function sendInput(client: ExecClient, stdin: NodeJS.ReadStream): void {
  stdin.on("data", (data: Buffer) => {
    stdin.pause();
    void client.send(data).then(() => stdin.resume());
  });
  stdin.once("end", () => client.endInput());
  stdin.on("error", () => client.endInput());
}

/** Every key goes to the command, and the size of the terminal with each change. Answers how to undo that. */
function rawTerminal(client: ExecClient, { stdin, stdout }: Invocation): () => void {
  const tell = (): void => client.resize(stdout.columns ?? 80, stdout.rows ?? 24);
  stdin.setRawMode(true);
  stdout.on("resize", tell);
  tell();
  return () => {
    stdout.off("resize", tell);
    stdin.setRawMode(false);
  };
}
