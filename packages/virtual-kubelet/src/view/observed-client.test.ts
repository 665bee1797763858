// Which requests are told of, about which pod, with which outcome; all answers and errors pass unchanged.
import assert from "node:assert/strict";
import { test } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { events, nodes, pods, serviceAccounts } from "../kube/resource.ts";
import { scriptedClient } from "../testing/scripted-client.ts";
import { observedClient } from "./observed-client.ts";
import type { ProcessObserver } from "./observer.ts";

const meta = { uid: "u", resourceVersion: "1" };

function observed(refused?: VirtualKubeletError): {
  readonly told: string[];
  readonly client: ReturnType<typeof observedClient>;
} {
  const told: string[] = [];
  const observer: ProcessObserver = {
    providerCall: () => assert.fail(),
    retry: () => assert.fail(),
    event: () => assert.fail(),
    apiCall: (what, pod, detail) => {
      const about = "uid" in pod ? pod.uid : `${pod.namespace}/${pod.name}`;
      return (error) => told.push(`${what} ${about} ${detail ?? "-"}: ${error?.kind ?? "ok"}`);
    },
  };
  const answer = <T>(value: T): Promise<T> =>
    refused === undefined ? Promise.resolve(value) : Promise.reject(refused);
  const client = scriptedClient({
    replaceMeta: () => answer(meta),
    patchMeta: () => answer(meta),
    delete: () => answer(undefined),
    create: (_, object) => answer({ ...object, metadata: { name: "n", ...object.metadata, ...meta } }),
    createSubresource: () => answer(JSON.parse("{}")),
  });
  return { told, client: observedClient(client, observer) };
}

test("requests about pods are told, and by which pod", async () => {
  const { client, told } = observed();
  const pod = { metadata: { name: "web", namespace: "shop", uid: "u" }, status: { phase: "Running" } };
  assert.equal(await client.replaceMeta(pods, pod, { subresource: "status" }), meta);
  await client.patchMeta(
    pods,
    { name: "web", namespace: "shop" },
    "strategic",
    { status: {} },
    { subresource: "status" },
  );
  await client.delete(pods, { name: "web", namespace: "shop" }, { uid: "u", gracePeriodSeconds: 0 });
  const event = {
    metadata: { name: "web.1", namespace: "shop" },
    involvedObject: { kind: "Pod", uid: "u" },
    reason: "Started",
  };
  await client.create(events, event);
  await client.patchMeta(events, { name: "web.1", namespace: "shop" }, "merge", { count: 2 });
  const bound = { spec: { boundObjectRef: { kind: "Pod", uid: "u" } } };
  await client.createSubresource(serviceAccounts, { name: "default", namespace: "shop" }, "token", bound);
  assert.deepEqual(told, [
    "replace pods/status u phase Running: ok",
    "patch pods/status shop/web -: ok",
    "delete pods u grace 0 s: ok",
    "create events u Started: ok",
    "patch events u -: ok",
    "create serviceaccounts/token u default: ok",
  ]);
});

test("others are not; errors are told by their kind and thrown as they were", async () => {
  const { client, told } = observed();
  await client.patchMeta(nodes, { name: "vk" }, "merge", {});
  await client.create(events, { metadata: { namespace: "default" }, involvedObject: { kind: "Node", uid: "n" } });
  assert.deepEqual(told, []);
  const refused = new VirtualKubeletError("Conflict", "changed");
  const other = observed(refused);
  await assert.rejects(
    other.client.delete(pods, { name: "a", namespace: "b" }, { uid: "u" }),
    (error) => error === refused,
  );
  assert.deepEqual(other.told, ["delete pods u -: Conflict"]);
});
