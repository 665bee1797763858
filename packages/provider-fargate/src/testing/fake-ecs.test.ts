import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GetLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import * as ecs from "@aws-sdk/client-ecs";
import { CreateSecretCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import { silentLogger } from "@virtual-kubelet/virtual-kubelet";
import { createAuthority, eventually } from "@virtual-kubelet/virtual-kubelet/testing";
import { openSsmSession } from "../ssm/open-session.ts";
import type { FakeCredentials } from "./aws-signature.ts";
import { EcsBench } from "./ecs-bench.ts";

const awslogs: ecs.LogConfiguration = {
  logDriver: "awslogs",
  options: { "awslogs-group": "pods", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "ns" },
};

describe("tasks of the fake", () => {
  it("run, are seen, log, and stop with their codes", async () => {
    await using bench = await EcsBench.start({ logGroups: ["pods"] });
    const definition = await bench.register([
      { name: "web", image: "nginx", logConfiguration: awslogs, environment: [{ name: "A", value: "1" }] },
      { name: "side", image: "exit-3", essential: false },
    ]);
    const arn = await bench.run(definition, { tags: [{ key: "uid", value: "u1" }], startedBy: "u1" });
    const running = await bench.taskIs(arn, "RUNNING");
    assert.ok(running.startedAt instanceof Date && running.pullStartedAt instanceof Date);
    assert.deepEqual(running.tags, [{ key: "uid", value: "u1" }]);
    const address = running.attachments?.[0]?.details?.find(({ name }) => name === "privateIPv4Address")?.value;
    assert.match(address ?? "", /^127\./);
    const stream = `ns/web/${arn.split("/").at(-1)}`;
    const read = { logGroupName: "pods", logStreamName: stream };
    const first = await bench.logs.send(new GetLogEventsCommand({ ...read, startFromHead: true, limit: 1 }));
    assert.deepEqual(
      first.events?.map(({ message }) => message),
      ["web env=2"],
    );
    const { nextForwardToken: nextToken } = first;
    const end = await bench.logs.send(new GetLogEventsCommand({ ...read, nextToken }));
    assert.deepEqual([end.events, end.nextForwardToken], [[], nextToken], "the same token at the end");
    await bench.fake.tasks.all.get(arn)?.containers.get("side")?.stopped.promise;
    await bench.ecs.send(new ecs.StopTaskCommand({ task: arn, reason: "enough" }));
    const stopped = await bench.taskIs(arn, "STOPPED");
    assert.deepEqual(
      [stopped.stopCode, stopped.stoppedReason, stopped.desiredStatus],
      ["UserInitiated", "enough", "STOPPED"],
    );
    assert.deepEqual(
      stopped.containers?.map(({ name, exitCode, lastStatus }) => [name, exitCode, lastStatus]),
      [
        ["web", 143, "STOPPED"],
        ["side", 3, "STOPPED"],
      ],
    );
    const later = await bench.logs.send(new GetLogEventsCommand({ ...read, startFromHead: true }));
    assert.equal(later.events?.length, 1, "logs outlive the task");
  });

  it("start containers in their order, and fail with the one that did not succeed", async () => {
    await using bench = await EcsBench.start();
    const init = (image: string): ecs.ContainerDefinition[] => [
      { name: "init", image, essential: false },
      { name: "app", image: "nginx", dependsOn: [{ containerName: "init", condition: "SUCCESS" }] },
    ];
    const good = await bench.taskIs(await bench.run(await bench.register(init("exit-0"))), "RUNNING");
    const [before, app] = good.containers ?? [];
    assert.deepEqual([before?.lastStatus, before?.exitCode, app?.lastStatus], ["STOPPED", 0, "RUNNING"]);
    const bad = await bench.taskIs(await bench.run(await bench.register(init("exit-2"))), "STOPPED");
    assert.equal(bad.stopCode, "TaskFailedToStart");
    assert.match(bad.stoppedReason ?? "", /dependency graph/);
    assert.equal(bad.startedAt, undefined);
    assert.deepEqual(
      bad.containers?.map(({ exitCode }) => exitCode),
      [2, undefined],
    );
  });

  it("end with their essential container, and start others again as their policy says", async () => {
    await using bench = await EcsBench.start({ secondMs: 1 });
    const restartPolicy = { enabled: true, ignoredExitCodes: [0], restartAttemptPeriod: 60 };
    const definition = await bench.register([
      { name: "main", image: "busybox", command: ["sh", "-c", "sleep 0.4; exit 5"] },
      { name: "again", image: "busybox", command: ["sh", "-c", "sleep 0.1; exit 1"], essential: false, restartPolicy },
      { name: "early", image: "busybox", command: ["sh", "-c", "exit 1"], essential: false, restartPolicy },
    ]);
    const arn = await bench.run(definition);
    const stopped = await bench.taskIs(arn, "STOPPED");
    assert.equal(stopped.stopCode, "EssentialContainerExited");
    assert.equal(stopped.containers?.[0]?.exitCode, 5);
    const task = bench.fake.tasks.all.get(arn);
    assert.ok((task?.containers.get("again")?.runs ?? 0) >= 2, "it was started again");
    assert.equal(task?.containers.get("early")?.runs, 1, "one that ends before its period is not");
  });

  it("wait for the health of what they depend on, and stop it after those that do", async () => {
    await using bench = await EcsBench.start();
    const check = (command: string): ecs.HealthCheck => ({ command: ["CMD-SHELL", command], interval: 5, retries: 1 });
    const definition = await bench.register([
      { name: "db", image: "nginx", healthCheck: check("true") },
      { name: "app", image: "nginx", dependsOn: [{ containerName: "db", condition: "HEALTHY" }] },
      { name: "ill", image: "nginx", essential: false, healthCheck: check("false") },
    ]);
    const arn = await bench.run(definition);
    await bench.taskIs(arn, "RUNNING");
    await eventually("the health is known", 5_000, async () => {
      const { containers = [] } = await bench.task(arn);
      return containers.map(({ healthStatus }) => healthStatus).join() === "HEALTHY,UNKNOWN,UNHEALTHY";
    });
    const order: string[] = [];
    const { containers } = bench.fake.tasks.all.get(arn) ?? assert.fail();
    for (const { name, stopped } of containers.values()) stopped.promise.then(() => order.push(name), assert.fail);
    await bench.ecs.send(new ecs.StopTaskCommand({ task: arn }));
    await bench.taskIs(arn, "STOPPED");
    assert.ok(order.indexOf("app") < order.indexOf("db"), order.join());
  });

  it("fail to start without their image, secret or log group, and say why", async () => {
    await using bench = await EcsBench.start();
    const reasonOf = async (container: Omit<ecs.ContainerDefinition, "name">): Promise<string> => {
      const arn = await bench.run(await bench.register([{ name: "a", ...container }]));
      const { stopCode, stoppedReason = "" } = await bench.taskIs(arn, "STOPPED");
      assert.equal(stopCode, "TaskFailedToStart");
      return stoppedReason;
    };
    assert.match(await reasonOf({ image: "missing" }), /^CannotPullContainerError: /);
    assert.match(
      await reasonOf({ image: "nginx", logConfiguration: awslogs }),
      /^ResourceInitializationError: .*log group/,
    );
    const valueFrom = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:none-abcdef:key::";
    assert.match(
      await reasonOf({ image: "nginx", secrets: [{ name: "S", valueFrom }] }),
      /^ResourceInitializationError: .*secret/,
    );
  });

  it("get secrets as variables, run commands in a session, and tell a queue of their changes", async () => {
    await using bench = await EcsBench.start();
    const secrets = new SecretsManagerClient(bench.fake.clientConfig);
    const sqs = new SQSClient(bench.fake.clientConfig);
    const QueueUrl = bench.fake.queues.create("changes");
    const { ARN } = await secrets.send(new CreateSecretCommand({ Name: "pod", SecretString: '{"pw":"top"}' }));
    const arn = await bench.run(
      await bench.register([{ name: "a", image: "nginx", secrets: [{ name: "PW", valueFrom: `${ARN}:pw::` }] }]),
    );
    const { containers } = await bench.taskIs(arn, "RUNNING");
    assert.equal(containers?.[0]?.managedAgents?.[0]?.lastStatus, "RUNNING");
    const command = `/bin/sh -c 'echo "$PW"; exit 3'`;
    const { session } = await bench.ecs.send(new ecs.ExecuteCommandCommand({ task: arn, interactive: true, command }));
    const { streamUrl = "", tokenValue = "" } = session ?? {};
    const opened = await openSsmSession(
      { streamUrl, tokenValue },
      { signal: AbortSignal.timeout(10_000), log: silentLogger },
    );
    const output = Buffer.concat(await Array.fromAsync(opened.output)).toString();
    assert.equal(output.trim(), "top");
    assert.deepEqual(await opened.ended, { exitCode: undefined, message: "" }, "ECS sessions tell no code");
    const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10 }));
    const statuses = Messages.map(({ Body = "" }) => JSON.parse(Body).detail.lastStatus);
    assert.ok(statuses.includes("PENDING"), statuses.join());
    secrets.destroy();
    sqs.destroy();
  });
});

describe("calls of the fake", () => {
  const rejects = (promise: Promise<unknown>, name: string, text = /./): Promise<void> =>
    assert.rejects(promise, (error) => {
      assert.ok(error instanceof Error);
      assert.equal(error.name, name);
      assert.match(error.message, text);
      return true;
    });

  it("run a task once for a token, list by pages, and tell what is missing", async () => {
    await using bench = await EcsBench.start();
    const definition = await bench.register([{ name: "a", image: "nginx" }]);
    const clientToken = "uid-1";
    const arn = await bench.run(definition, { clientToken });
    assert.equal(await bench.run(definition, { clientToken }), arn);
    await rejects(bench.run(definition, { clientToken, startedBy: "other" }), "ConflictException");
    await bench.run(definition, { count: 4 });
    const found: string[] = [];
    for await (const { taskArns = [] } of ecs.paginateListTasks({ client: bench.ecs, pageSize: 2 }, {}))
      found.push(...taskArns);
    assert.equal(found.length, 5);
    const gone = "arn:aws:ecs:eu-west-1:123456789012:task/default/0";
    const { tasks, failures } = await bench.ecs.send(new ecs.DescribeTasksCommand({ tasks: [arn, gone] }));
    assert.equal(tasks?.length, 1);
    assert.deepEqual(tasks?.[0]?.tags, [], "tags only when asked for");
    assert.deepEqual(failures, [{ arn: gone, reason: "MISSING" }]);
  });

  it("refuse what Fargate does not take", async () => {
    await using bench = await EcsBench.start();
    const a: ecs.ContainerDefinition = { name: "a", image: "nginx" };
    const cases: readonly [ecs.ContainerDefinition, object, RegExp][] = [
      [a, { memory: "4096" }, /No Fargate configuration exists for given values: 256 CPU, 4096 memory/],
      [{ ...a, stopTimeout: 121 }, {}, /stopTimeout/],
      [{ ...a, privileged: true }, {}, /privileged/],
      [{ ...a, essential: false }, {}, /At least one essential/],
      [{ ...a, dependsOn: [{ containerName: "b", condition: "START" }] }, {}, /dependency 'b'/],
      [{ ...a, mountPoints: [{ sourceVolume: "v", containerPath: "/v" }] }, {}, /volume 'v'/],
      [{ ...a, logConfiguration: awslogs }, { executionRoleArn: undefined }, /execution role/],
    ];
    for (const [container, more, text] of cases)
      await rejects(bench.register([container], more), "ClientException", text);
    const definition = await bench.register([a]);
    await rejects(bench.run(definition, { networkConfiguration: undefined }), "InvalidParameterException", /awsvpc/);
    await rejects(bench.run(definition, { cluster: "none" }), "ClusterNotFoundException");
    await bench.ecs.send(new ecs.DeregisterTaskDefinitionCommand({ taskDefinition: definition }));
    await rejects(bench.run(definition), "ClientException", /inactive/);
  });

  it("are served over TLS, and lead to sessions over TLS", async () => {
    const authority = createAuthority("clouds");
    const { certificate: cert, key } = authority.issue({ commonName: "aws", ipAddresses: ["127.0.0.1"] });
    await using bench = await EcsBench.start({ tls: { key, cert } });
    assert.match(bench.fake.endpoint, /^https:/);
    assert.match(bench.fake.exec.streamBase, /^wss:/);
    const requestHandler = { httpsAgent: { ca: authority.certificate } };
    const client = new ecs.ECSClient({ ...bench.fake.clientConfig, requestHandler, maxAttempts: 1 });
    assert.deepEqual((await client.send(new ecs.ListTasksCommand({}))).taskArns, []);
    client.destroy();
  });

  it("are throttled, fail, get lost, and are refused without good credentials", async () => {
    await using bench = await EcsBench.start();
    const { fake } = bench;
    const definition = await bench.register([{ name: "a", image: "nginx" }]);
    const list = (client = bench.ecs): Promise<unknown> => client.send(new ecs.ListTasksCommand({}));
    fake.faults.throttle("ListTasks", 1);
    await rejects(list(), "ThrottlingException", /Rate exceeded/);
    fake.faults.limit("ListTasks", 0.001, 1);
    await list();
    await rejects(list(), "ThrottlingException");
    fake.faults.limit("ListTasks", Number.POSITIVE_INFINITY);
    fake.faults.fail("ListTasks", 1);
    await rejects(list(), "ServerException");
    fake.faults.loseAnswers("RunTask", 1);
    await assert.rejects(bench.run(definition, { clientToken: "t" }));
    await bench.run(definition, { clientToken: "t" });
    assert.equal(fake.books.length, 1, "the lost answer's task is the retry's");
    fake.faults.down = true;
    await assert.rejects(list());
    fake.faults.down = false;
    const withCredentials = (credentials: FakeCredentials): ecs.ECSClient => {
      const { sessionToken, accessKeyId, secretAccessKey } = credentials;
      const keys = { accessKeyId, secretAccessKey, ...(sessionToken === undefined ? {} : { sessionToken }) };
      return new ecs.ECSClient({ ...fake.clientConfig, credentials: keys, maxAttempts: 1 });
    };
    const known = fake.clientConfig.credentials;
    await rejects(list(withCredentials({ ...known, secretAccessKey: "wrong" })), "InvalidSignatureException");
    await rejects(list(withCredentials({ ...known, accessKeyId: "AKIANOBODY" })), "UnrecognizedClientException");
    const session = { accessKeyId: "ASIA1", secretAccessKey: "s", sessionToken: "t" };
    fake.credentials.push({ ...session, expiresAt: Date.now() + 60_000 });
    await list(withCredentials(session));
    fake.credentials.splice(1, 1, { ...session, expiresAt: Date.now() - 1 });
    await rejects(list(withCredentials(session)), "ExpiredTokenException");
    assert.equal(fake.counts["RunTask"], 1);
  });
});
