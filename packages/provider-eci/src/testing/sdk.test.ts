// The vendor's own SDK drives the fake: an independent client, which takes its answers for the cloud's.
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import * as sdk from "@alicloud/eci20180808";
import { Config, OpenApiRequest, Params } from "@alicloud/openapi-client";
import { RuntimeOptions } from "@alicloud/tea-util";
import { eventually, MemoryGroups } from "@virtual-kubelet/virtual-kubelet/testing";
import { FakeEci } from "./fake-eci.ts";

const regionId = "cn-hangzhou";
type Client = InstanceType<typeof sdk.default.default>;

function clientOf(fake: FakeEci, { keys = fake.keys[0] }: { readonly keys?: FakeEci["keys"][number] } = {}): Client {
  assert.ok(keys !== undefined);
  const { accessKeyId, accessKeySecret, securityToken } = keys;
  const endpoint = fake.plainUrl.replace("http://", "");
  const token = securityToken === undefined ? {} : { securityToken };
  return new sdk.default.default(
    new Config({ ...{ accessKeyId, accessKeySecret, endpoint, regionId }, ...token, protocol: "HTTP" }),
  );
}

const group = (name: string, image: string, more: object = {}): sdk.CreateContainerGroupRequest =>
  new sdk.CreateContainerGroupRequest({
    ...{ regionId, containerGroupName: name, restartPolicy: "Never", cpu: 0.25, memory: 0.5 },
    container: [new sdk.CreateContainerGroupRequestContainer({ name: "web", image, cpu: 0.25, memory: 0.5 })],
    tag: [new sdk.CreateContainerGroupRequestTag({ key: "who", value: "téster *~'" })],
    ...more,
  });

/** "Code" of the error that it rejects with. */
async function refusal(call: Promise<unknown>): Promise<string> {
  const error: unknown = await call.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  return error instanceof Error ? String(Reflect.get(error, "code")) : "none";
}

describe("the SDK on the fake", () => {
  let fake: FakeEci;
  let client: Client;

  before(async () => {
    fake = await FakeEci.start({ runner: new MemoryGroups() });
    client = clientOf(fake);
  });
  after(async () => {
    await fake[Symbol.asyncDispose]();
  });

  const found = async (id: string): Promise<sdk.DescribeContainerGroupsResponseBodyContainerGroups | undefined> => {
    const request = { regionId, containerGroupIds: JSON.stringify([id]), withEvent: true };
    const { body } = await client.describeContainerGroups(new sdk.DescribeContainerGroupsRequest(request));
    return body?.containerGroups?.[0];
  };
  const made = async (request: sdk.CreateContainerGroupRequest): Promise<string> => {
    const { body } = await client.createContainerGroup(request);
    assert.match(body?.containerGroupId ?? "", /^eci-/);
    return body?.containerGroupId ?? "";
  };
  const reaches = (id: string, status: string) =>
    eventually(`${id} is ${status}`, 10_000, async () => {
      const seen = await found(id);
      return seen?.status === status ? seen : undefined;
    });

  it("makes a group, sees it end, reads its log, and removes it", async () => {
    const id = await made(group("job", "exit-3"));
    const ended = await reaches(id, "Failed");
    const [web] = ended.containers ?? [];
    assert.equal(web?.currentState?.exitCode, 3);
    assert.equal(web?.currentState?.reason, "Error");
    assert.equal(ended.tags?.[0]?.value, "téster *~'");
    assert.ok(Date.parse(ended.failedTime ?? "") >= Date.parse(ended.creationTime ?? ""));
    assert.ok(ended.events?.some(({ reason }) => reason === "Started"));
    const log = await client.describeContainerLog(
      new sdk.DescribeContainerLogRequest({ regionId, containerGroupId: id, containerName: "web", tail: 5 }),
    );
    assert.equal(log.body?.content, "web env=0\n");
    const remove = new sdk.DeleteContainerGroupRequest({ regionId, containerGroupId: id });
    await client.deleteContainerGroup(remove);
    await eventually("it is gone", 10_000, async () => (await found(id)) === undefined);
    assert.equal(await refusal(client.deleteContainerGroup(remove)), "ContainerGroupNotFound");
  });

  it("the same token makes one group, another request by it none", async () => {
    const request = group("once", "runs", { clientToken: "token-1" });
    const id = await made(request);
    assert.equal(await made(request), id);
    const other = group("twice", "runs", { clientToken: "token-1" });
    assert.equal(await refusal(client.createContainerGroup(other)), "IdempotentParameterMismatch");
  });

  it("lists by tags, page by page, and tells what changed lately", async () => {
    const tag = [new sdk.CreateContainerGroupRequestTag({ key: "page", value: "1" })];
    const ids = await Promise.all(Array.from({ length: 5 }, (_, index) => made(group(`p-${index}`, "runs", { tag }))));
    const seen: string[] = [];
    let nextToken: string | undefined;
    do {
      const request = new sdk.DescribeContainerGroupsRequest({
        ...{ regionId, limit: 2, ...(nextToken !== undefined && { nextToken }) },
        tag: [new sdk.DescribeContainerGroupsRequestTag({ key: "page", value: "1" })],
      });
      const { body } = await client.describeContainerGroups(request);
      seen.push(...(body?.containerGroups ?? []).map(({ containerGroupId = "" }) => containerGroupId));
      nextToken = body?.nextToken;
    } while (nextToken !== undefined);
    assert.deepEqual(seen.sort(), ids.toSorted());
    for (const id of ids) await reaches(id, "Running");
    const since = new sdk.DescribeContainerGroupStatusRequest({ regionId, sinceSecond: 60 });
    const { body } = await client.describeContainerGroupStatus(since);
    const statuses = body?.data?.filter(({ containerGroupId = "" }) => ids.includes(containerGroupId)) ?? [];
    assert.deepEqual(
      statuses.map(({ status, podStatus }) => [status, podStatus?.phase]),
      ids.map(() => ["Running", "Running"]),
    );
    const events = await client.describeContainerGroupEvents(
      new sdk.DescribeContainerGroupEventsRequest({ regionId, containerGroupIds: JSON.stringify(ids.slice(0, 1)) }),
    );
    const [told] = events.body?.data ?? [];
    assert.equal(told?.events?.[0]?.involvedObject?.uid, ids[0]);
  });

  it("restarts a group, changes its tags, and tells its figures", async () => {
    const id = await made(group("again", "runs", { restartPolicy: "Always" }));
    await reaches(id, "Running");
    await client.restartContainerGroup(new sdk.RestartContainerGroupRequest({ regionId, containerGroupId: id }));
    const restarted = await eventually("it has begun anew", 10_000, async () => {
      const seen = await found(id);
      return seen?.status === "Running" && seen.containers?.[0]?.restartCount === 1 ? seen : undefined;
    });
    assert.equal(restarted.containers?.[0]?.previousState?.exitCode, 143);
    const tag = [new sdk.UpdateContainerGroupRequestTag({ key: "who", value: "somebody" })];
    const change = { regionId, containerGroupId: id, updateType: "IncrementalUpdate", tag };
    await client.updateContainerGroup(new sdk.UpdateContainerGroupRequest(change));
    const changed = await reaches(id, "Running");
    assert.equal(changed.tags?.[0]?.value, "somebody");
    assert.equal(changed.containers?.[0]?.restartCount, 1);
    const metrics = await client.describeMultiContainerGroupMetric(
      new sdk.DescribeMultiContainerGroupMetricRequest({ regionId, containerGroupIds: JSON.stringify([id]) }),
    );
    const [record] = metrics.body?.monitorDatas?.[0]?.records ?? [];
    assert.equal(record?.containers?.[0]?.name, "web");
    assert.ok((record?.memory?.usageBytes ?? 0) > 0);
  });

  it("runs a command and answers with its output", async () => {
    const id = await made(group("shell", "runs"));
    await reaches(id, "Running");
    const exec = { regionId, containerGroupId: id, containerName: "web", TTY: false, sync: true };
    const run = async (command: readonly string[]): Promise<string | undefined> => {
      const request = new sdk.ExecContainerCommandRequest({ ...exec, command: JSON.stringify(command) });
      return (await client.execContainerCommand(request)).body?.syncResponse;
    };
    assert.equal(await run(["sh", "-c", "echo out; echo err >&2"]), "out\nerr\n");
    assert.equal(await refusal(run(["echo", "x".repeat(257)])), "InvalidParameter");
  });

  it("tells of a group that there is no stock for, and of one on its way out", async () => {
    fake.faults.noStock = 1;
    const failed = await reaches(await made(group("no-stock", "runs")), "ScheduleFailed");
    assert.ok(failed.events?.some(({ reason, type }) => reason === "NoStock" && type === "Warning"));
    const id = await made(group("leaving", "stubborn", { terminationGracePeriodSeconds: 1 }));
    await reaches(id, "Running");
    await client.deleteContainerGroup(new sdk.DeleteContainerGroupRequest({ regionId, containerGroupId: id }));
    await reaches(id, "Terminating");
    await eventually("it is gone", 10_000, async () => (await found(id)) === undefined);
  });

  it("keeps to the quota of the account", async () => {
    await using small = await FakeEci.start({ runner: new MemoryGroups(), quota: { groups: 5, cores: 1 } });
    const who = clientOf(small);
    await who.createContainerGroup(group("fits", "runs"));
    const large = group("large", "runs", { cpu: 1, memory: 2 });
    assert.equal(await refusal(who.createContainerGroup(large)), "QuotaExceeded");
    assert.equal(small.groups.created.length, 1);
  });

  it("takes large parameters in a form, and no line that is too long", async () => {
    const content = Buffer.alloc(30_000, "a").toString("base64");
    const volume = new sdk.CreateContainerGroupRequestVolume({
      ...{ name: "files", type: "ConfigFileVolume" },
      configFileVolume: new sdk.CreateContainerGroupRequestVolumeConfigFileVolume({
        configFileToPath: [
          new sdk.CreateContainerGroupRequestVolumeConfigFileVolumeConfigFileToPath({ content, path: "big" }),
        ],
      }),
    });
    const inQuery = client.createContainerGroup(group("big", "runs", { volume: [volume] }));
    assert.equal(await refusal(inQuery), "RequestURITooLarge");
    const params = new Params({
      ...{ action: "CreateContainerGroup", version: "2018-08-08", protocol: "HTTPS", pathname: "/", method: "POST" },
      ...{ authType: "AK", style: "RPC", reqBodyType: "formData", bodyType: "json" },
    });
    const files = {
      Name: "files",
      Type: "ConfigFileVolume",
      ConfigFileVolume: { ConfigFileToPath: [{ Content: content, Path: "big" }] },
    };
    const body = {
      ...{ RegionId: regionId, ContainerGroupName: "big", Volume: [files] },
      Container: [{ Name: "web", Image: "runs" }],
    };
    const answer = await client.callApi(params, new OpenApiRequest({ body }), new RuntimeOptions({}));
    assert.match(String(answer["body"].ContainerGroupId), /^eci-/);
  });

  it("refuses wrong keys, expired tokens, unknown parameters, what there is no right to and what is too much", async () => {
    const list = (who: Client): Promise<string> =>
      refusal(who.describeContainerGroups(new sdk.DescribeContainerGroupsRequest({ regionId })));
    const wrong = { accessKeyId: "LTAIfake", accessKeySecret: "wrong" };
    assert.equal(await list(clientOf(fake, { keys: wrong })), "SignatureDoesNotMatch");
    assert.equal(
      await list(clientOf(fake, { keys: { ...wrong, accessKeyId: "none" } })),
      "InvalidAccessKeyId.NotFound",
    );
    const lent = { accessKeyId: "STS.fake", accessKeySecret: "lent", securityToken: "token" };
    fake.keys.push({ ...lent, expiresAt: Date.now() + 60_000 });
    assert.equal(await list(clientOf(fake, { keys: lent })), "none");
    assert.equal(
      await list(clientOf(fake, { keys: { ...lent, securityToken: "other" } })),
      "InvalidSecurityToken.MismatchWithAccessKey",
    );
    fake.keys.splice(1, 1, { ...lent, expiresAt: 1 });
    assert.equal(await list(clientOf(fake, { keys: lent })), "InvalidSecurityToken.Expired");
    fake.faults.denied.add("DescribeContainerGroups");
    assert.equal(await list(client), "Forbidden.RAM");
    fake.faults.denied.clear();
    fake.faults.throttle({ perSecond: 0.001, burst: 1 });
    assert.deepEqual([await list(client), await list(client)], ["none", "Throttling.User"]);
    fake.faults.throttle(undefined);
    fake.faults.add({ answer: { status: 503, code: "ServiceUnavailable" } });
    assert.equal(await list(client), "ServiceUnavailable");
    assert.deepEqual(fake.problems, []);
    const request = new OpenApiRequest({ query: { RegionId: regionId, Limit: "many", Colour: "red" } });
    const params = new Params({
      ...{ action: "DescribeContainerGroups", version: "2018-08-08", protocol: "HTTPS", pathname: "/", method: "POST" },
      ...{ authType: "AK", style: "RPC", reqBodyType: "formData", bodyType: "json" },
    });
    assert.equal(await refusal(client.callApi(params, request, new RuntimeOptions({}))), "InvalidParameter");
    assert.deepEqual(fake.problems, [
      'request of DescribeContainerGroups: Limit: "many" is not a number',
      "request of DescribeContainerGroups: Colour: DescribeContainerGroupsRequest has no Colour",
    ]);
  });
});
