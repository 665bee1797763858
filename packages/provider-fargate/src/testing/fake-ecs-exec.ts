// ExecuteCommand, and the data channels that its answers lead to: an agent in front of the runner's containers.
import { randomUUID } from "node:crypto";
import type { IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import * as ecs from "@aws-sdk/client-ecs";
import { type Clock, errorText } from "@virtual-kubelet/virtual-kubelet";
import { type WebSocket, WebSocketServer } from "ws";
import { type Operation, operation } from "./aws-operation.ts";
import { refusal } from "./aws-refusal.ts";
import { hexId } from "./fake-ecs-account.ts";
import type { FakeEcsClusters } from "./fake-ecs-clusters.ts";
import type { FakeEcsContainer } from "./fake-ecs-container.ts";
import type { FakeEcsTask } from "./fake-ecs-task.ts";
import type { FakeEcsTasks } from "./fake-ecs-tasks.ts";
import { type AgentBook, FakeSsmAgent } from "./fake-ssm-agent.ts";

interface Session {
  readonly tokenValue: string;
  readonly task: FakeEcsTask;
  readonly container: FakeEcsContainer;
  readonly command: readonly string[];
}

const path = "/v1/data-channel/";

export class FakeEcsExec {
  /** `wss://127.0.0.1:port`, once it is known. */
  streamBase: string = "";
  /** What the clients of sessions did, in order. */
  readonly books: AgentBook[] = [];
  /** So many of the next calls find the agent not connected yet. */
  notConnected: number = 0;
  /** The clusters' sessions want a key of KMS. */
  wantsKms: boolean = false;
  readonly #clock: Clock;
  readonly #clusters: FakeEcsClusters;
  readonly #tasks: FakeEcsTasks;
  readonly #sessions = new Map<string, Session>();
  readonly #server = new WebSocketServer({ noServer: true, perMessageDeflate: false });
  /** What went wrong that no client was told. */
  readonly faults: string[] = [];

  constructor(clock: Clock, clusters: FakeEcsClusters, tasks: FakeEcsTasks) {
    this.#clock = clock;
    this.#clusters = clusters;
    this.#tasks = tasks;
  }

  readonly operations: Readonly<Record<string, Operation>> = {
    ExecuteCommand: operation<ecs.ExecuteCommandRequest, ecs.ExecuteCommandResponse>(ecs.ExecuteCommand$, (input) =>
      this.#execute(input),
    ),
  };

  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const id = new URL(request.url ?? "/", "http://127.0.0.1").pathname.slice(path.length);
    const session = this.#sessions.get(id);
    // One connection for each.
    this.#sessions.delete(id);
    if (session === undefined) {
      socket.end("HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
      return;
    }
    this.#server.handleUpgrade(request, socket, head, (webSocket) => this.#serve(webSocket, session));
  }

  close(): void {
    for (const client of this.#server.clients) client.terminate();
    this.#server.close();
  }

  #execute(input: ecs.ExecuteCommandRequest): ecs.ExecuteCommandResponse {
    const clusterArn = this.#clusters.find(input.cluster);
    const task = this.#tasks.find(clusterArn, input.task ?? "");
    if (task === undefined) throw refusal("InvalidParameterException", "The referenced task was not found.");
    if (input.interactive !== true)
      throw refusal("InvalidParameterException", "Interactive is the only mode supported currently.");
    if (input.container === undefined && task.containers.size > 1)
      throw refusal("InvalidParameterException", "container has to be given where a task has more than one");
    const container = task.containers.get(input.container ?? [...task.containers.keys()][0] ?? "");
    if (container === undefined)
      throw refusal("InvalidParameterException", "The execute command failed because the container was not found.");
    if (task.fixed.enableExecuteCommand !== true || container.definition.readonlyRootFilesystem === true)
      throw refusal(
        "InvalidParameterException",
        "The execute command failed because execute command was not enabled when the task was run or the execute command agent isn’t running. Wait and try again or run a new task with execute command enabled and try again.",
      );
    if (container.status === "STOPPED")
      throw refusal("InvalidParameterException", "The execute command failed because the container is stopped.");
    if (this.notConnected > 0 || container.status !== "RUNNING") {
      this.notConnected = Math.max(0, this.notConnected - 1);
      throw refusal(
        "TargetNotConnectedException",
        "The execute command failed due to an internal error. Try again later.",
      );
    }
    const sessionId = `ecs-execute-command-${hexId(8)}`;
    const tokenValue = Buffer.from(randomUUID()).toString("base64");
    this.#sessions.set(sessionId, { tokenValue, task, container, command: words(input.command ?? "") });
    const streamUrl = `${this.streamBase}${path}${sessionId}?role=publish_subscribe`;
    return {
      ...{ clusterArn, containerName: container.name, interactive: true, taskArn: task.arn },
      session: { sessionId, streamUrl, tokenValue },
    };
  }

  #serve(socket: WebSocket, { tokenValue, task, container, command }: Session): void {
    const agent = new FakeSsmAgent(
      {
        send: (data) => socket.send(data),
        close: (code, reason) => socket.close(code, reason),
      },
      {
        clock: this.#clock,
        tokenValue,
        wants: this.wantsKms ? ["KMSEncryption"] : [],
        run: async ({ stdin, stdout, sizes, signal }) => {
          const { group } = task;
          if (group === undefined) return 1;
          // A terminal: stderr is part of its output.
          const io = { stdin, stdout, tty: true, resize: sizes };
          const code = await group.exec(container.name, command, io, signal).catch((error) => {
            if (!signal.aborted) stdout.write(`${errorText(error)}\r\n`);
            return 255;
          });
          await new Promise<void>((resolve) => stdout.end(() => resolve()));
          return code;
        },
      },
    );
    this.books.push(agent.book);
    socket.on("message", (data, isBinary) => {
      if (!Buffer.isBuffer(data)) return;
      try {
        agent.receive(isBinary ? data : data.toString("utf8"));
      } catch (error) {
        this.faults.push(errorText(error));
        socket.close(1002, "protocol error");
      }
    });
    socket.once("close", () => agent.closed());
    socket.on("error", () => socket.terminate());
  }
}

/** A command line as the agent cuts it: by blanks, with quotes and backslashes as a shell has them, and nothing else of a shell. */
export function words(line: string): readonly string[] {
  const found: string[] = [];
  for (const [word] of line.matchAll(/(?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+/gs))
    found.push(
      word.replaceAll(
        /'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)/gs,
        (_, single?: string, double?: string, escaped?: string) =>
          single ?? double?.replaceAll(/\\(["\\$`])/gs, "$1") ?? escaped ?? "",
      ),
    );
  return found;
}
