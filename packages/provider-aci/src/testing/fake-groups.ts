// All container groups of the fake: what PUT, PATCH, DELETE and actions make of them, long-running operations, and books for tests.
import { randomBytes } from "node:crypto";
import { type Clock, errorText, isErrorKind, pause } from "@virtual-kubelet/virtual-kubelet";
import type { GroupRunner } from "@virtual-kubelet/virtual-kubelet/testing";
import * as v from "valibot";
import type { ContainerGroup, Tags } from "../wire.ts";
import { FakeGroup, type FakePace } from "./fake-group.ts";
import { checkGroup } from "./fake-group-rules.ts";
import { viewOf } from "./fake-group-view.ts";
import { FakeRefusal, type FakeReply, notFound } from "./fake-refusal.ts";
import type { FakeRegion } from "./fake-region.ts";

const type = "Microsoft.ContainerInstance/containerGroups";
const tagsBody = v.looseObject({ tags: v.optional(v.record(v.string(), v.string())) });

export interface FakeGroupsOptions {
  readonly runner: GroupRunner;
  readonly region: FakeRegion;
  readonly pace: FakePace;
  readonly clock: Clock;
  /** Of the fake itself. */
  readonly url: string;
  readonly subscription: string;
  readonly onFault: (text: string) => void;
  readonly imagesChecked: "atOnce" | "whenPulled";
}

export class FakeGroups implements AsyncDisposable {
  readonly #options: FakeGroupsOptions;
  /** By resource group and name, both in lower case. */
  readonly #groups = new Map<string, FakeGroup>();
  readonly #operations = new Map<string, Promise<void> | "done">();
  readonly #end = new AbortController();
  readonly created: { readonly name: string; readonly tags: Tags }[] = [];
  readonly removed: string[] = [];
  /** Groups whose containers began anew, because they were written again and differed. */
  readonly updated: string[] = [];

  constructor(options: FakeGroupsOptions) {
    this.#options = options;
  }

  get all(): readonly FakeGroup[] {
    return [...this.#groups.values()];
  }

  /** By its name, whatever the resource group. */
  named(name: string): FakeGroup | undefined {
    return this.all.find((group) => group.name === name);
  }

  /** Throws the cloud's 404. */
  find(resourceGroup: string, name: string): FakeGroup {
    const found = this.#groups.get(keyOf(resourceGroup, name));
    if (found === undefined) throw notFound(type, name, resourceGroup);
    return found;
  }

  get(resourceGroup: string, name: string): FakeReply {
    return { status: 200, body: viewOf(this.find(resourceGroup, name).facts(), true), model: "ContainerGroup" };
  }

  list(resourceGroup: string | undefined, url: URL, pageSize: number): FakeReply {
    const prefix = resourceGroup === undefined ? "" : keyOf(resourceGroup, "");
    const all = [...this.#groups].filter(([key]) => key.startsWith(prefix)).map(([, group]) => group);
    const from = Number(url.searchParams.get("$skiptoken") ?? 0);
    const value = all.slice(from, from + pageSize).map((group) => viewOf(group.facts(), false));
    const next = new URL(url);
    next.searchParams.set("$skiptoken", String(from + pageSize));
    const nextLink = from + pageSize < all.length ? { nextLink: next.toString() } : {};
    return { status: 200, body: { value, ...nextLink }, model: "ContainerGroupListResult" };
  }

  async put(resourceGroup: string, name: string, body: ContainerGroup): Promise<FakeReply> {
    checkGroup(name, body);
    checkTags(body.tags ?? {});
    const { region, runner, pace, clock, subscription, onFault } = this.#options;
    const key = keyOf(resourceGroup, name);
    const before = this.#groups.get(key);
    if (body.location?.toLowerCase().replaceAll(" ", "") !== region.location)
      throw new FakeRefusal(
        400,
        "LocationNotAvailableForResourceType",
        `The location '${body.location}' is not available.`,
      );
    if (before !== undefined) return this.#putAgain(key, before, body);
    const group = new FakeGroup({
      id: `/subscriptions/${subscription}/resourceGroups/${resourceGroup}/providers/${type}/${name}`,
      name,
      runnerId: runnerIdOf(name),
      ...{ body, runner, pace, clock, onFault },
    });
    region.checkQuota(group, this.all);
    // It is there from now on: a second PUT meets it.
    this.#groups.set(key, group);
    if (this.#options.imagesChecked === "atOnce") await this.#checkImages(key, group);
    this.created.push({ name, tags: body.tags ?? {} });
    group.begin();
    const operation = this.#operation(until(() => group.provisioningState, clock, this.#end.signal));
    return {
      status: 201,
      body: viewOf(group.facts(), true),
      model: "ContainerGroup",
      headers: { "azure-asyncoperation": operation },
    };
  }

  patch(resourceGroup: string, name: string, body: unknown): FakeReply {
    const group = this.find(resourceGroup, name);
    const parsed = v.safeParse(tagsBody, body);
    if (!parsed.success) throw new FakeRefusal(400, "InvalidRequestContent", "The tags must be texts.");
    checkTags(parsed.output.tags ?? {});
    group.body = { ...group.body, tags: parsed.output.tags ?? {} };
    return { status: 200, body: viewOf(group.facts(), true), model: "ContainerGroup" };
  }

  remove(resourceGroup: string, name: string): FakeReply {
    const key = keyOf(resourceGroup, name);
    const group = this.#groups.get(key);
    if (group === undefined) return { status: 204 };
    const { pace, clock } = this.#options;
    const shown = viewOf(group.facts(), true);
    if (group.provisioningState === "Deleting") return { status: 202, body: shown, model: "ContainerGroup" };
    group.provisioningState = "Deleting";
    const work = (async (): Promise<void> => {
      await group.remove();
      await pause(clock, pace.removeMs, this.#end.signal);
      this.#groups.delete(key);
      this.removed.push(name);
    })();
    return { status: 202, headers: { location: this.#operation(work) }, body: shown, model: "ContainerGroup" };
  }

  act(resourceGroup: string, name: string, action: string): FakeReply {
    const group = this.find(resourceGroup, name);
    if (group.provisioningState !== "Succeeded") throw transitioning(name);
    group.provisioningState = "Updating";
    const work = (action === "stop" ? group.stop() : group.restart()).then(() => {
      if (action === "stop" && group.provisioningState === "Updating") group.provisioningState = "Succeeded";
    });
    const location = this.#operation(work);
    return action === "stop" ? { status: 204 } : { status: 202, headers: { location } };
  }

  /** GET of a long-running operation: by its own resource, or by Location. */
  operation(id: string): FakeReply {
    const found = this.#operations.get(id);
    if (found === undefined) throw new FakeRefusal(404, "OperationNotFound", `The operation ${id} was not found.`);
    const isDone = found === "done";
    return { status: isDone ? 200 : 202, body: { id, status: isDone ? "Succeeded" : "InProgress" } };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await Promise.all([...this.#operations.values()]);
    // Each, although another cannot be.
    const removed = await Promise.allSettled(this.all.map((group) => group.remove()));
    this.#groups.clear();
    for (const each of removed) if (each.status === "rejected") throw each.reason;
  }

  async #checkImages(key: string, group: FakeGroup): Promise<void> {
    try {
      await group.create();
    } catch (error) {
      this.#groups.delete(key);
      if (!isErrorKind(error, "NotFound")) throw error;
      throw new FakeRefusal(
        400,
        "InaccessibleImage",
        `The image in container group '${group.name}' is not accessible. Please check the image and registry credential. ${errorText(error)}`,
      );
    }
  }

  /** The same again changes nothing but tags. Images, commands and variables can change, and the containers begin anew. */
  async #putAgain(key: string, before: FakeGroup, body: ContainerGroup): Promise<FakeReply> {
    const { name } = before;
    if (before.provisioningState === "Deleting") throw transitioning(name);
    const isSame = JSON.stringify(before.body.properties) === JSON.stringify(body.properties);
    if (isSame) before.body = { ...before.body, tags: body.tags };
    else {
      if (before.provisioningState !== "Succeeded") throw transitioning(name);
      if (fixedOf(before.body) !== fixedOf(body))
        throw new FakeRefusal(
          400,
          "InvalidContainerGroupUpdate",
          `The updates on container group '${name}' are invalid: OS type, restart policy, network, CPU, memory and GPU stay as they are.`,
        );
      const group = new FakeGroup({ ...before.options, runnerId: runnerIdOf(name), body });
      this.#groups.set(key, group);
      this.updated.push(name);
      await before.remove();
      await group.create();
      group.begin();
    }
    const shown = this.#groups.get(key) ?? before;
    return { status: 200, body: viewOf(shown.facts(), true), model: "ContainerGroup" };
  }

  #operation(work: Promise<void>): string {
    const { url, subscription, region, onFault } = this.#options;
    const id = randomBytes(8).toString("hex");
    const kept = work
      .catch((error: unknown) => onFault(`operation: ${errorText(error)}`))
      .finally(() => this.#operations.set(id, "done"));
    this.#operations.set(id, kept);
    return `${url}/subscriptions/${subscription}/providers/Microsoft.ContainerInstance/locations/${region.location}/operations/${id}?api-version=2018-06-01`;
  }
}

function checkTags(tags: Tags): void {
  if (Object.keys(tags).length > 50) throw new FakeRefusal(400, "TooManyTags", "A resource has at most 50 tags.");
  for (const [name, value] of Object.entries(tags)) {
    if (name.length > 512 || /[<>%&\\?/]/.test(name))
      throw new FakeRefusal(
        400,
        "InvalidTagNameCharacters",
        `The tag name '${name}' has reserved characters '<,>,%,&,\\,?,/'.`,
      );
    if (value.length > 256) throw new FakeRefusal(400, "InvalidTagValue", `The value of tag '${name}' is too long.`);
  }
}

/** Resolves when the group is provisioned, or never will be. */
async function until(state: () => string, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !["Succeeded", "Failed", "Deleting"].includes(state())) await pause(clock, 20, signal);
}

function transitioning(name: string): FakeRefusal {
  return new FakeRefusal(
    409,
    "ContainerGroupTransitioning",
    `The container group '${name}' is still transitioning, please retry later.`,
  );
}

function keyOf(resourceGroup: string, name: string): string {
  return `${resourceGroup}/${name}`.toLowerCase();
}

/** What cannot be changed of a group. */
function fixedOf({ properties }: ContainerGroup): string {
  const { osType, restartPolicy, subnetIds, priority, containers } = properties;
  return JSON.stringify([
    osType,
    restartPolicy,
    subnetIds,
    priority,
    containers.map((each) => each.properties.resources),
  ]);
}

function runnerIdOf(name: string): string {
  return `${name.slice(0, 40)}-${randomBytes(4).toString("hex")}`;
}
