// All container groups of the fake: how they come, change and go, tokens that make calls idempotent, and books for tests.
import { randomBytes } from "node:crypto";
import { type Clock, errorText } from "@virtual-kubelet/virtual-kubelet";
import type { GroupRunner } from "@virtual-kubelet/virtual-kubelet/testing";
import type { Container, CreateContainerGroupRequest, Tag, UpdateContainerGroupRequest, Volume } from "../wire.ts";
import type { FakeFaults } from "./fake-faults.ts";
import { FakeGroup, type FakePace } from "./fake-group.ts";
import { checkGroup, checkTags, checkToken } from "./fake-group-rules.ts";
import { FakeRefusal, incorrectStatus, noGroup } from "./fake-refusal.ts";
import { roundedSize } from "./fake-sizes.ts";

export interface FakeQuota {
  readonly groups: number;
  readonly cores: number;
}

export interface FakeGroupsOptions {
  readonly runner: GroupRunner;
  readonly pace: FakePace;
  readonly clock: Clock;
  readonly quota: FakeQuota;
  readonly faults: FakeFaults;
  readonly onFault: (text: string) => void;
}

const keptAfterHour = 100;
const hourMs = 3_600_000;

export class FakeGroups implements AsyncDisposable {
  /** Every group that was ever made, in order. */
  readonly created: { readonly id: string; readonly name: string; readonly tags: readonly Tag[] }[] = [];
  readonly #options: FakeGroupsOptions;
  readonly #groups = new Map<string, FakeGroup>();
  /** What was asked for by a token, and the id that came of it. */
  readonly #tokens = new Map<string, { readonly asked: string; readonly id: string }>();
  readonly #removals = new Set<Promise<void>>();

  constructor(options: FakeGroupsOptions) {
    this.#options = options;
  }

  /** Those that are told of, oldest first. */
  get all(): readonly FakeGroup[] {
    const old = [...this.#groups.values()].filter(
      ({ endedAt }) => endedAt !== undefined && endedAt < this.#options.clock.now() - hourMs,
    );
    for (const { id } of old.slice(0, -keptAfterHour)) this.#groups.delete(id);
    return [...this.#groups.values()];
  }

  /** Throws the cloud's refusal. */
  find(id: string): FakeGroup {
    const found = this.#groups.get(id);
    if (found === undefined) throw noGroup(id);
    return found;
  }

  named(name: string): FakeGroup | undefined {
    return this.all.findLast((group) => group.name === name);
  }

  /** Its id. */
  create(request: CreateContainerGroupRequest): string {
    checkGroup(request);
    const { DryRun, ClientToken, ...asked } = request;
    return this.#once("create", ClientToken, asked, () => {
      this.#checkQuota(request);
      if (DryRun === true)
        throw new FakeRefusal(400, "DryRun.Success", "This request is a dryrun request with successful result.");
      const { runner, pace, clock, faults, onFault } = this.#options;
      const id = `eci-${randomBytes(10).toString("hex")}`;
      const hasStock = faults.noStock === 0;
      if (!hasStock) faults.noStock -= 1;
      const group = new FakeGroup({ id, request, runner, pace, clock, hasStock, onFault });
      this.#groups.set(id, group);
      this.created.push({ id, name: group.name, tags: group.tags });
      group.begin();
      return id;
    });
  }

  remove(id: string, token: string | undefined): void {
    this.#once("remove", token, { id }, () => {
      const group = this.find(id);
      if (group.status === "Terminating") return id;
      const removal = this.#remove(group);
      this.#removals.add(removal);
      removal.finally(() => this.#removals.delete(removal)).catch(() => {});
      return id;
    });
  }

  restart(id: string, token: string | undefined): void {
    this.#once("restart", token, { id }, () => {
      const group = this.find(id);
      runsNow(group, "restarted");
      this.#watched(group.restart());
      return id;
    });
  }

  update(request: UpdateContainerGroupRequest): void {
    const { ClientToken, ...asked } = request;
    this.#once("update", ClientToken, asked, () => {
      const { ContainerGroupId: id, UpdateType = "RenewUpdate", ...wanted } = asked;
      const group = this.find(id);
      runsNow(group, "updated");
      checkTags(wanted.Tag ?? []);
      const { Container, Tag: _tag, Volume: _volume, InitContainer: _init, ...rest } = group.request;
      const next =
        UpdateType === "IncrementalUpdate"
          ? merged({ ...group.request, Tag: group.tags }, wanted)
          : { ...rest, ...wanted, Container: wanted.Container ?? Container };
      checkGroup(next);
      this.#watched(group.update(next));
      return id;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#removals);
    // Each, although another cannot be.
    const killed = await Promise.allSettled([...this.#groups.values()].map((group) => group.kill()));
    this.#groups.clear();
    for (const each of killed) if (each.status === "rejected") throw each.reason;
  }

  async #remove(group: FakeGroup): Promise<void> {
    try {
      await group.remove();
    } catch (error) {
      this.#options.onFault(`${group.name}: ${errorText(error)}`);
    }
    this.#groups.delete(group.id);
  }

  #watched(work: Promise<void>): void {
    work.catch((error: unknown) => this.#options.onFault(errorText(error)));
  }

  /** The same again by the same token is done once. */
  #once(kind: string, token: string | undefined, asked: object, work: () => string): string {
    checkToken(token);
    if (token === undefined) return work();
    const key = `${kind} ${token}`;
    const text = JSON.stringify(asked);
    const before = this.#tokens.get(key);
    if (before === undefined) {
      const id = work();
      this.#tokens.set(key, { asked: text, id });
      return id;
    }
    if (before.asked !== text)
      throw new FakeRefusal(
        400,
        "IdempotentParameterMismatch",
        "The request uses the same client token as a previous, but non-identical request.",
      );
    return before.id;
  }

  #checkQuota(request: CreateContainerGroupRequest): void {
    const { quota } = this.#options;
    const living = this.all.filter(({ isOver }) => !isOver);
    const cores = living.reduce((sum, group) => sum + roundedSize(group.request).cpu, roundedSize(request).cpu);
    if (living.length + 1 > quota.groups)
      throw new FakeRefusal(403, "QuotaExceeded", "Living instances quota exceeded in this region.");
    if (cores > quota.cores) throw new FakeRefusal(403, "QuotaExceeded", "vCPU quota exceeded in this region.");
  }
}

function runsNow({ status, id }: FakeGroup, what: string): void {
  if (status !== "Pending" && status !== "Running")
    throw incorrectStatus(`The container group ${id} is ${status}; it cannot be ${what}.`);
}

/** What is left out stays; of lists with names, what has a name that is there takes its place. */
function merged(
  before: CreateContainerGroupRequest,
  wanted: Pick<UpdateContainerGroupRequest, "Container" | "Tag" | "Volume">,
): CreateContainerGroupRequest {
  return {
    ...before,
    ...wanted,
    Container: byName<Container>(before.Container, wanted.Container ?? []),
    ...(before.Volume !== undefined && { Volume: byName<Volume>(before.Volume, wanted.Volume ?? []) }),
  };
}

function byName<T extends { readonly Name: string }>(before: readonly T[], wanted: readonly T[]): readonly T[] {
  const kept = before.map((each) => ({ ...each, ...wanted.find(({ Name }) => Name === each.Name) }));
  return [...kept, ...wanted.filter(({ Name }) => !before.some((each) => each.Name === Name))];
}
