// Brings one Node in the API to what is wanted: registers it, and writes what differs, in as few writes as there can be.
import type { Clock } from "../clock.ts";
import { errorText, isErrorKind } from "../errors.ts";
import type { KubeClient } from "../kube/client.ts";
import type { EventRecorder } from "../kube/event-recorder.ts";
import { nodes, type Stored } from "../kube/resource.ts";
import type { Node } from "../kube/types.gen.ts";
import type { Logger } from "../log.ts";
import { conditionEvent } from "./node-conditions.ts";
import type { NodeEntry, RefusedPart } from "./node-entry.ts";
import type { DesiredNode } from "./node-object.ts";
import { taintId } from "./node-object.ts";
import { joinOurs, leftoverTaints, nothingOurs, oursOf, readOurs } from "./node-ours.ts";
import { metadataPatch, nodeToCreate, type PlanInput, planSpec, planStatus } from "./node-plan.ts";
import { nodeUserMayLabel } from "./node-restriction.ts";

export interface NodeWriterOptions {
  readonly client: KubeClient;
  readonly recorder: Pick<EventRecorder, "record">;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Logger;
  /** "node-user": a node's own credentials, which may not change taints nor labels of Kubernetes' own. */
  readonly credentials: "node-user" | "service-account";
  /** Milliseconds between writes while nothing changes. */
  readonly heartbeatMs: number;
}

const conflictTries = 4;

export class NodeWriter {
  readonly #options: NodeWriterOptions;

  constructor(options: NodeWriterOptions) {
    this.#options = options;
  }

  /** Makes the Node, or reads the one that is there already; the answer may still differ from what is wanted. */
  async register(entry: NodeEntry, desired: DesiredNode, signal: AbortSignal): Promise<Stored<Node>> {
    const { client, clock, log } = this.#options;
    const { name } = desired.metadata;
    try {
      const created = await client.create(nodes, nodeToCreate(desired, this.#mayLabel, clock.now()), { signal });
      entry.wrote(created);
      entry.ours = oursOf(desired);
      entry.nextHeartbeat = clock.now() + this.#nextHeartbeatMs(true);
      log.info({ node: name, uid: created.metadata.uid }, "node registered");
      this.#event(name, created, "Normal", "Starting", "Starting kubelet.");
      for (const { type, status } of desired.status?.conditions ?? []) this.#conditionEvent(created, type, status);
      return created;
    } catch (error) {
      if (!isErrorKind(error, "Conflict", "Forbidden")) throw error;
      let existing: Stored<Node>;
      try {
        existing = await client.get(nodes, { name }, { signal });
      } catch (readError) {
        throw isErrorKind(readError, "NotFound") ? error : readError;
      }
      entry.wrote(existing);
      this.takeOver(entry, existing);
      return existing;
    }
  }

  /** A Node that this process did not make: its status is written whether or not it differs. */
  takeOver(entry: NodeEntry, existing: Stored<Node>): void {
    entry.nextHeartbeat = 0;
    this.#options.log.info(
      { node: existing.metadata.name, uid: existing.metadata.uid },
      "node was there already, taken over",
    );
    this.#event(existing.metadata.name, existing, "Normal", "Starting", "Starting kubelet.");
  }

  /** Writes what differs. Answers in how many milliseconds to look again though nothing changes. Throws NotFound when there is no such Node. */
  async write(entry: NodeEntry, desired: DesiredNode, observed: Stored<Node>, signal: AbortSignal): Promise<number> {
    let newest = observed;
    for (let attempt = 1; ; attempt++) {
      try {
        const afterSpec = await this.#writeSpec(entry, desired, newest, signal);
        const againMs = await this.#writeStatus(entry, desired, afterSpec.node, signal);
        return Math.min(againMs, afterSpec.againMs ?? againMs);
      } catch (error) {
        if (isErrorKind(error, "NotFound")) entry.gone(newest.metadata.uid);
        if (!isErrorKind(error, "Conflict") || attempt >= conflictTries) throw error;
        newest = await this.#options.client.get(nodes, { name: desired.metadata.name }, { signal });
        entry.wrote(newest);
      }
    }
  }

  /** Taints and providerID, and with them metadata that differs as well. Guarded by the version read: taints have several writers. */
  async #writeSpec(
    entry: NodeEntry,
    desired: DesiredNode,
    observed: Stored<Node>,
    signal: AbortSignal,
  ): Promise<{ readonly node: Stored<Node>; readonly againMs?: number }> {
    const { client, clock, credentials } = this.#options;
    const { name } = desired.metadata;
    const input = this.#input(entry, desired, observed);
    const { patch, command, foreignProviderID } = planSpec(input);
    this.#tell(
      entry,
      observed,
      "providerID",
      "NodeProviderIDDiffers",
      foreignProviderID,
      (id) =>
        `the Node has providerID ${id}, which cannot be changed; delete the Node to have it registered with ${desired.spec?.providerID ?? ""}`,
    );
    const ask = (taints: string): string => `a node's own credentials may not change its taints; run: ${taints}`;
    if (credentials === "node-user") {
      this.#tell(entry, observed, "taints", "NodeTaintsDiffer", command, ask);
      if (patch?.["providerID"] === undefined) return { node: observed };
    } else if (command === undefined) entry.told.delete("spec");
    if (patch === undefined) return { node: observed };
    const spec = credentials === "node-user" ? { providerID: patch["providerID"] } : patch;
    const fingerprint = JSON.stringify(spec);
    if (entry.isRefused("spec", fingerprint, clock.now())) return { node: observed };
    const paceMs = entry.takeWrite(clock.now());
    if (paceMs > 0) return { node: observed, againMs: paceMs };
    const metadata = metadataPatch(input);
    const withMetadata = metadata !== undefined && !entry.isRefused("metadata", JSON.stringify(metadata), clock.now());
    const { resourceVersion } = observed.metadata;
    try {
      const body = { metadata: { ...(withMetadata ? metadata : {}), resourceVersion }, spec };
      const written = await client.patch(nodes, { name }, "merge", body, { signal });
      entry.wrote(written);
      if (JSON.stringify(planSpec(this.#input(entry, desired, written)).patch) === JSON.stringify(patch)) {
        entry.refuse("spec", fingerprint, clock.now());
      }
      return { node: written };
    } catch (error) {
      if (!this.#isRefusal(error)) throw error;
      const todo = command === undefined ? "" : `; run: ${command}`;
      this.#refused(entry, observed, "spec", fingerprint, `taints and providerID refused: ${errorText(error)}${todo}`);
      return { node: observed };
    }
  }

  async #writeStatus(
    entry: NodeEntry,
    desired: DesiredNode,
    observed: Stored<Node>,
    signal: AbortSignal,
  ): Promise<number> {
    const { client, clock } = this.#options;
    const { name } = desired.metadata;
    const now = clock.now();
    const input = this.#input(entry, desired, observed);
    this.#tellLabels(entry, desired, observed);
    const metadata = metadataPatch(input);
    const metadataText = JSON.stringify(metadata ?? {});
    const withMetadata = metadata !== undefined && !entry.isRefused("metadata", metadataText, now);
    const status = planStatus(input, now);
    const isNews = withMetadata || (status.changed && status.fingerprint !== entry.untaken);
    if (!isNews && now < entry.nextHeartbeat) return entry.nextHeartbeat - now;
    const paceMs = isNews ? entry.takeWrite(now) : 0;
    if (paceMs > 0) return paceMs;

    const body = { ...(withMetadata ? { metadata } : {}), status: status.patch };
    let written: Stored<Node>;
    try {
      written = await client.patch(nodes, { name }, "strategic", body, { signal, subresource: "status" });
    } catch (error) {
      if (!withMetadata || !this.#isRefusal(error)) throw error;
      this.#refused(entry, observed, "metadata", metadataText, `labels or annotations refused: ${errorText(error)}`);
      return this.#writeStatus(entry, desired, observed, signal);
    }
    entry.wrote(written);
    const leftovers = leftoverTaints(written, desired, input.before).map(taintId);
    entry.ours = joinOurs(oursOf(desired), { ...nothingOurs, taints: leftovers });
    entry.nextHeartbeat = now + this.#nextHeartbeatMs(isNews);
    const after = this.#input(entry, desired, written);
    const rest = planStatus(after, now);
    // What still differs was refused only if it was asked for; else somebody changed it just before, which we had not seen.
    const unasked = rest.changed && rest.fingerprint !== status.fingerprint;
    entry.untaken = unasked ? "" : rest.fingerprint;
    // Answered well, yet unchanged: something rewrites it on the way, and would each time.
    if (withMetadata && JSON.stringify(metadataPatch(after)) === metadataText)
      entry.refuse("metadata", metadataText, now);
    if (withMetadata) entry.told.delete("metadata");

    for (const { type, status: value } of status.transitions) this.#conditionEvent(written, type, value);
    const boot = desired.status?.nodeInfo?.bootID;
    const bootBefore = observed.status?.nodeInfo?.bootID ?? "";
    if (boot !== undefined && bootBefore !== "" && boot !== bootBefore) {
      this.#event(name, written, "Warning", "Rebooted", `Node ${name} has been rebooted, boot id: ${boot}`);
    }
    return unasked ? 0 : entry.nextHeartbeat - now;
  }

  /** After a change the next heartbeat comes half to one and a half periods later: many nodes changed at once part again. */
  #nextHeartbeatMs(changed: boolean): number {
    const { heartbeatMs, random } = this.#options;
    return changed ? heartbeatMs * (0.5 + random()) : heartbeatMs;
  }

  readonly #mayLabel = (key: string): boolean =>
    this.#options.credentials === "service-account" || nodeUserMayLabel(key);

  #input(entry: NodeEntry, desired: DesiredNode, observed: Stored<Node>): PlanInput {
    return { desired, observed, before: joinOurs(readOurs(observed), entry.ours), mayLabel: this.#mayLabel };
  }

  #isRefusal(error: unknown): boolean {
    return isErrorKind(error, "Forbidden", "Invalid");
  }

  #refused(entry: NodeEntry, node: Stored<Node>, part: RefusedPart, fingerprint: string, message: string): void {
    entry.refuse(part, fingerprint, this.#options.clock.now());
    this.#tell(entry, node, part, "NodeUpdateRefused", message, (text) => text);
  }

  #tellLabels(entry: NodeEntry, desired: DesiredNode, node: Stored<Node>): void {
    const { name, labels } = desired.metadata;
    const words = Object.entries(labels)
      // The role is set by default, not by anybody's wish.
      .filter(
        ([key, value]) =>
          !this.#mayLabel(key) &&
          node.metadata.labels?.[key] !== value &&
          `${key}=${value}` !== "kubernetes.io/role=agent",
      )
      .map(([key, value]) => `${key}=${value}`);
    const command = words.length === 0 ? undefined : `kubectl label nodes ${name} --overwrite ${words.join(" ")}`;
    this.#tell(
      entry,
      node,
      "labels",
      "NodeLabelsDiffer",
      command,
      (text) => `a node's own credentials may not set these labels; run: ${text}`,
    );
  }

  /** Says a thing once, and again only after it was something else or over (`detail` undefined). */
  #tell(
    entry: NodeEntry,
    node: Stored<Node>,
    topic: string,
    reason: string,
    detail: string | undefined,
    text: (detail: string) => string,
  ): void {
    if (entry.told.get(topic) === detail) return;
    if (detail === undefined) {
      entry.told.delete(topic);
      return;
    }
    entry.told.set(topic, detail);
    const { name } = node.metadata;
    this.#options.log.warn({ node: name, reason }, text(detail));
    this.#event(name, node, "Warning", reason, text(detail));
  }

  #conditionEvent(node: Stored<Node>, type: string, status: string): void {
    const { name } = node.metadata;
    const reason = conditionEvent(type, status);
    if (reason !== undefined) this.#event(name, node, "Normal", reason, `Node ${name} status is now: ${reason}`);
  }

  #event(name: string, node: Stored<Node>, type: "Normal" | "Warning", reason: string, message: string): void {
    const target = { apiVersion: "v1", kind: "Node", name, uid: node.metadata.uid };
    this.#options.recorder.record(target, type, reason, message, { host: name });
  }
}
