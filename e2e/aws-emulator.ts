// Emulators of AWS from PyPI, as processes of a test: moto for the wire, ministack with containers on an engine of the test.
import { tmpdir } from "node:os";
import { freePort } from "../packages/virtual-kubelet/src/testing/free-port.ts";
import { type ManagedProcess, ProcessGroup } from "../packages/virtual-kubelet/src/testing/processes.ts";
import { region } from "./fargate-bench.ts";
import { eventually } from "./harness.ts";

export class AwsEmulator implements AsyncDisposable {
  readonly endpoint: string;
  readonly #processes: ProcessGroup;

  private constructor(processes: ProcessGroup, endpoint: string) {
    this.#processes = processes;
    this.endpoint = endpoint;
  }

  static moto(python: string): Promise<AwsEmulator> {
    return AwsEmulator.#start("moto", python, "/moto-api/", (port) => ({
      args: ["-m", "moto.server", "-H", "127.0.0.1", "-p", `${port}`],
      variables: {},
    }));
  }

  /** @param engine Address of a Docker API, "unix:///...". */
  static ministack(python: string, engine: string): Promise<AwsEmulator> {
    return AwsEmulator.#start("ministack", python, "/_ministack/ready", (port) => ({
      args: ["-m", "ministack"],
      variables: {
        ...{ BIND_HOST: "127.0.0.1", GATEWAY_PORT: `${port}`, MINISTACK_HOST: "127.0.0.1", MINISTACK_REGION: region },
        ...{
          SERVICES: "ecs,logs,ec2,iam,sts,secretsmanager",
          SFTP_ENABLED: "0",
          IOT_MTLS_ENABLED: "0",
          DOCKER_HOST: engine,
        },
      },
    }));
  }

  static async #start(
    name: string,
    python: string,
    ready: string,
    command: (port: number) => {
      readonly args: readonly string[];
      readonly variables: Readonly<Record<string, string>>;
    },
  ): Promise<AwsEmulator> {
    const port = await freePort();
    const processes = new ProcessGroup({ parent: tmpdir(), prefix: "virtual-kubelet-aws-" });
    const { args, variables } = command(port);
    try {
      const settings = Object.entries(variables).map(([key, value]) => `${key}=${value}`);
      const server: ManagedProcess = await processes.start(name, "env", [...settings, python, ...args]);
      const endpoint = `http://127.0.0.1:${port}`;
      await eventually(`${name} answers`, 60_000, async () => {
        if (!server.running) throw new Error(`${name} has ended`);
        return (await fetch(`${endpoint}${ready}`)).ok;
      });
      return new AwsEmulator(processes, endpoint);
    } catch (error) {
      await processes[Symbol.asyncDispose]();
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#processes[Symbol.asyncDispose]();
  }
}
