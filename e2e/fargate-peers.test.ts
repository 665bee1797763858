// The Fargate provider's backend against services that others wrote: moto holds the form of its requests and answers, ministack runs
// its tasks as real containers. What either does not do as AWS does is said where it matters.
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { AwsEmulator } from "./aws-emulator.ts";
import { FargateBench, type FargateNetwork } from "./fargate-bench.ts";
import { eventually } from "./harness.ts";
import { benchImage, PodmanBench } from "./podman.ts";
import { findPython } from "./python-peers.ts";

// Made before anything has a deadline.
const moto = await findPython("moto");
const ministack = await findPython("ministack");
const memory = { requests: { memory: "64Mi" }, limits: { memory: "64Mi" } };

/** Of its default VPC: it looks for what a task is to be in. */
async function motoNetwork(endpoint: string): Promise<FargateNetwork> {
  const scope = "Credential=a/20260101/eu-west-1/ec2/aws4_request, SignedHeaders=host, Signature=0";
  const ids = async (Action: string, pattern: RegExp): Promise<readonly string[]> => {
    const body = new URLSearchParams({ Action, Version: "2016-11-15" });
    const headers = { authorization: `AWS4-HMAC-SHA256 ${scope}` };
    const answer = await fetch(endpoint, { method: "POST", body, headers });
    return [...new Set((await answer.text()).match(pattern))];
  };
  return {
    subnets: await ids("DescribeSubnets", /subnet-[0-9a-f]+/g),
    securityGroups: await ids("DescribeSecurityGroups", /sg-[0-9a-f]+/g),
  };
}

describe("the Fargate provider on moto", () => {
  it("registers, runs, finds by tags, changes tags and stops in the form that the wire has", async () => {
    await using emulator = await AwsEmulator.moto(moto);
    // Tasks run until they are stopped: else each look moves them on.
    const model = { model_name: "ecs::task", transition: { progression: "manual", times: 1_000_000 } };
    const set = { method: "POST", body: JSON.stringify(model), headers: { "content-type": "application/json" } };
    assert.ok((await fetch(`${emulator.endpoint}/moto-api/state-manager/set-transition`, set)).ok);
    await using bench = new FargateBench(emulator.endpoint, await motoNetwork(emulator.endpoint));
    const { backend, context } = bench;
    const request = bench.request("web", {
      containers: [
        {
          ...{ name: "web", image: benchImage, command: ["sleep"], args: ["600"], resources: memory },
          env: [{ name: "PASSWORD", valueFrom: { secretKeyRef: { name: "s", key: "password" } } }],
        },
      ],
    });
    const { id } = await backend.create(request, context);
    const [group] = await backend.list(context);
    assert.equal(group?.id, id);
    assert.deepEqual(group.owner, request.owner, "its tags tell whose it is");
    assert.equal(group.revision, request.revision);
    const [described] = await backend.describe([group], context);
    assert.equal(described?.stage, "running");
    await backend.updateMetadata?.(group, { ...request, revision: "r2" }, context);
    assert.equal((await backend.list(context))[0]?.revision, "r2");
    await backend.remove(group, { gracePeriodSeconds: 5 }, context);
    await eventually("it is no more or has ended", 20_000, async () =>
      (await backend.list(context)).every(({ stage }) => stage === "ended"),
    );
  });
});

describe("the Fargate provider on ministack", () => {
  it("has containers really run, with their logs and codes, and fail for a reason", async () => {
    await using podman = await PodmanBench.start();
    await using emulator = await AwsEmulator.ministack(ministack, podman.endpoint);
    await using bench = new FargateBench(emulator.endpoint);
    const { backend, context } = bench;
    // It takes no entry point, so all of the command is in args.
    const script = 'echo "hello from $NAME, $PASSWORD"; sleep 1; exit 3';
    const job = bench.request("job", {
      restartPolicy: "Never",
      containers: [
        {
          ...{ name: "job", image: benchImage, args: ["sh", "-c", script], resources: memory },
          env: [
            { name: "NAME", value: "podman" },
            { name: "PASSWORD", valueFrom: { secretKeyRef: { name: "s", key: "password" } } },
          ],
        },
      ],
    });
    const { id } = await backend.create(job, context);
    const ended = await bench.groupIs(id, "has ended", ({ stage }) => stage === "ended");
    const { terminated } = ended.containers[0]?.state ?? {};
    assert.equal(terminated?.exitCode, 3);
    assert.ok(Date.parse(terminated?.finishedAt ?? "") >= Date.parse(terminated?.startedAt ?? ""));
    await eventually("the log is there", 20_000, async () =>
      /hello from podman, swordfish/.test(await bench.log(ended, "job")),
    );

    const missing = bench.request("missing", {
      containers: [{ name: "web", image: "localhost/none:1", resources: memory }],
    });
    const { id: failed } = await backend.create(missing, context);
    const report = await bench.groupIs(failed, "is told to wait", ({ events = [] }) =>
      events.some(({ reason }) => reason === "BackOff"),
    );
    assert.equal(report.stage, "starting", "it is tried again");
    assert.match(report.containers[0]?.state.waiting?.message ?? "", /localhost\/none:1/, "it says why");
    // So that it is not.
    await backend.remove(report, { gracePeriodSeconds: 0 }, context);

    const web = bench.request("web", {
      terminationGracePeriodSeconds: 2,
      containers: [{ name: "web", image: benchImage, args: ["sleep", "600"], resources: memory }],
    });
    const { id: running } = await backend.create(web, context);
    const group = await bench.groupIs(running, "runs", ({ stage }) => stage === "running");
    assert.match(group.podIPs?.[0] ?? "", /^\d+\.\d+\.\d+\.\d+$/);
    await backend.remove(group, { gracePeriodSeconds: 2 }, context);
    await eventually("it is gone", 60_000, async () => (await backend.describe([group], context))[0] === undefined);
    assert.ok((await backend.list(context)).every((each) => each.id !== running));
    const gone = { ...group, id: group.id.replace(/.{8}$/, "00000000") };
    assert.deepEqual(await backend.describe([gone], context), [undefined], "MISSING is positively gone");
  });
});
