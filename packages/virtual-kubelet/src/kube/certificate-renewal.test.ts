import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { eventually } from "../testing/fault-server.ts";
import { LogRecorder } from "../testing/log-recorder.ts";
import { MemorySigner } from "../testing/memory-signer.ts";
import { type CertifiedKey, certificateFacts, pairFault } from "./certificate-pair.ts";
import { CertificateRenewal, type CertificateRenewalOptions, retryDelayMs } from "./certificate-renewal.ts";
import { nodeClientProfile, servingProfile } from "./certificate-signing.ts";
import { CertificateStore } from "./certificate-store.ts";

const hourMs = 3_600_000;
const minuteMs = 60_000;
const start = Date.UTC(2026, 0, 1);
const life = { notBefore: start, notAfter: start + 100 * hourMs };

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), "certificate-renewal-"));
});
after(() => rm(root, { recursive: true, force: true }));

interface Trial extends AsyncDisposable {
  readonly signer: MemorySigner;
  readonly clock: FakeClock;
  readonly log: LogRecorder;
  readonly issued: CertifiedKey[];
  /** What the certificate is to say. */
  readonly names: { dns: string[]; ip: string[] };
  readonly renewal: CertificateRenewal;
  /** Ends it, as a process that stops. */
  stop(): Promise<void>;
  /** Waits for the nth request, from 1, and for its watch. */
  request(nth: number): Promise<string>;
}

async function begin(
  options: Partial<CertificateRenewalOptions> & { readonly signer?: MemorySigner; readonly clock?: FakeClock } = {},
): Promise<Trial> {
  const { signer = new MemorySigner(), clock = new FakeClock(start), ...rest } = options;
  const log = new LogRecorder();
  const issued: CertifiedKey[] = [];
  const names = { dns: ["a"], ip: ["10.0.0.1"] };
  const renewal = new CertificateRenewal({
    client: () => signer.client,
    profile: servingProfile,
    subject: () => ({
      commonName: "system:node:a",
      organizations: ["system:nodes"],
      dnsNames: names.dns,
      ipAddresses: names.ip,
    }),
    onCertificate: (pair) => issued.push(pair),
    log,
    clock,
    random: () => 0,
    ...rest,
  });
  const end = new AbortController();
  const running = renewal.load().then(() => renewal.run(end.signal));
  const stop = async (): Promise<void> => {
    end.abort();
    await running;
  };
  const request = async (nth: number): Promise<string> => {
    await eventually(() => signer.names.length >= nth && signer.watching > 0, `request ${nth}`);
    assert.equal(signer.names.length, nth);
    return signer.names[nth - 1] ?? "";
  };
  return { signer, clock, log, issued, names, renewal, stop, request, [Symbol.asyncDispose]: stop };
}

const newStore = async (): Promise<CertificateStore> =>
  new CertificateStore(await mkdtemp(join(root, "certs-")), "kubelet-server");

const has = (trial: Trial, count: number): Promise<void> =>
  eventually(() => trial.issued.length === count, `${count} certificates`);

describe("a certificate from a signer", () => {
  it("is asked for, said how to approve, and taken when issued", async () => {
    await using trial = await begin({ expirationSeconds: 7200 });
    const name = await trial.request(1);
    const { spec, metadata } = trial.signer.requests.get(name) ?? assert.fail();
    assert.equal(metadata.generateName, "csr-");
    assert.equal(spec.signerName, "kubernetes.io/kubelet-serving");
    assert.deepEqual(spec.usages, ["digital signature", "server auth"]);
    assert.equal(spec.expirationSeconds, 7200);
    const said = /an administrator or an approver .* must: kubectl certificate approve csr-1$/;
    assert.equal(trial.log.count(said, "info"), 1);
    await trial.clock.advance(30_000);
    assert.equal(trial.log.count(said, "warn"), 1);
    await trial.clock.advance(10 * hourMs);
    assert.ok(trial.log.count(said, "warn") > 15 && trial.log.count(said, "warn") < 25, "twice an hour");
    assert.deepEqual(trial.issued, []);
    trial.signer.approveOnly(name);
    await eventually(() => trial.log.count(/approved, waiting for the signer/) === 1, "approval is told");
    await trial.clock.advance(hourMs);
    assert.ok(trial.log.count(/does the signer kubernetes.io\/kubelet-serving run\?$/, "warn") > 0);
    await trial.signer.approve(name, life);
    await has(trial, 1);
    assert.equal(pairFault(trial.issued[0] ?? assert.fail()), undefined);
  });

  it("is not asked of anybody at once where the control plane approves by itself", async () => {
    await using trial = await begin({ profile: nodeClientProfile });
    await trial.request(1);
    assert.equal(trial.log.count(/kubectl certificate approve/), 0);
    await trial.clock.advance(30_000);
    assert.equal(trial.log.count(/bootstrap-rbac.yaml.*: kubectl certificate approve csr-1$/, "warn"), 1);
  });

  it("is replaced after seven tenths of its life, and serves until the new one is there", async () => {
    await using trial = await begin();
    await trial.signer.approve(await trial.request(1), life);
    await has(trial, 1);
    await trial.clock.advance(70 * hourMs - 1000);
    assert.equal(trial.signer.names.length, 1);
    await trial.clock.advance(1000);
    const second = await trial.request(2);
    assert.equal(trial.renewal.current, trial.issued[0]);
    await trial.signer.approve(second, { notBefore: trial.clock.now(), notAfter: trial.clock.now() + 10 * hourMs });
    await has(trial, 2);
    assert.notEqual(trial.issued[1]?.key, trial.issued[0]?.key, "a new key each time");
  });

  it("is not asked for in a loop when it has expired already or lives for seconds", async () => {
    await using trial = await begin();
    await trial.signer.approve(await trial.request(1), { notBefore: start - 2000, notAfter: start - 1000 });
    await has(trial, 1);
    await trial.clock.advance(minuteMs - 1);
    assert.equal(trial.signer.names.length, 1);
    await trial.clock.advance(1);
    await trial.request(2);
  });

  it("is asked for anew after a denial, a failure, a deletion and a day without an answer, ever less often", async () => {
    await using trial = await begin();
    trial.signer.deny(await trial.request(1), "not this one");
    await eventually(() => trial.log.count(/denied, another one/, "warn") === 1, "told");
    assert.match(String(trial.log.lines.find(({ fields }) => "err" in fields)?.fields["err"]), /csr-1.*not this one/);
    await trial.clock.advance(minuteMs - 1);
    assert.equal(trial.signer.names.length, 1);
    await trial.clock.advance(1);
    trial.signer.deny(await trial.request(2), "nor this");
    await eventually(() => trial.log.count(/denied, another one/, "warn") === 2, "told again");
    await trial.clock.advance(2 * minuteMs);
    trial.signer.fail(await trial.request(3), "bad");
    await eventually(() => trial.log.count(/no certificate yet/, "warn") === 1, "failure told");
    await trial.clock.advance(20_000);
    trial.signer.delete(await trial.request(4));
    await eventually(() => trial.log.count(/no certificate yet/, "warn") === 2, "deletion told");
    await trial.clock.advance(40_000);
    await trial.request(5);
    await trial.clock.advance(24 * hourMs);
    await eventually(() => trial.log.count(/nobody decided/, "warn") === 1, "told that nobody answers");
    await trial.clock.advance(5 * minuteMs);
    await trial.signer.approve(await trial.request(6), { notBefore: start, notAfter: start + 1000 * hourMs });
    await has(trial, 1);
  });

  it("is tried for ever when the API server is away or does not allow it", async () => {
    await using trial = await begin();
    await trial.signer.approve(await trial.request(1), life);
    await has(trial, 1);
    trial.signer.faults.push(
      new VirtualKubeletError("Forbidden", "no create"),
      new VirtualKubeletError("Unauthorized", "no token"),
      new VirtualKubeletError("Unavailable", "away"),
      new VirtualKubeletError("Aborted", "client closed"),
    );
    await trial.clock.advance(70 * hourMs);
    for (const [said, waitMs] of [
      [/needs create, get, list and watch/, 5000],
      [/does not take these credentials/, 10_000],
      [/no certificate yet/, 20_000],
    ] as const) {
      await eventually(() => trial.log.count(said, "warn") === 1, String(said));
      await trial.clock.advance(waitMs);
    }
    await eventually(() => trial.log.count(/no certificate yet/, "warn") === 2, "no loop on a client that is closed");
    assert.equal(trial.signer.names.length, 1);
    await trial.clock.advance(40_000);
    await trial.request(2);
  });

  it("is asked for anew when the names change, also while a request waits", async () => {
    await using trial = await begin();
    await trial.request(1);
    trial.names.ip = ["10.0.0.2"];
    await trial.clock.advance(10_000);
    await eventually(() => trial.log.count(/names changed/) === 1, "told");
    await trial.signer.approve(await trial.request(2), life);
    await has(trial, 1);
    assert.deepEqual(certificateFacts(trial.issued[0]?.cert ?? "").subject.ipAddresses, ["10.0.0.2"]);
    trial.names.dns = [];
    await trial.clock.advance(10_000);
    await trial.signer.approve(await trial.request(3), life);
    await has(trial, 2);
    assert.deepEqual(certificateFacts(trial.issued[1]?.cert ?? "").subject.dnsNames, []);
    trial.names.ip = ["10.0.0.2"].reverse();
    await trial.clock.advance(hourMs);
    assert.equal(trial.signer.names.length, 3);
  });

  it("is not asked for again because the signer gave other names, or a key that is not ours", async () => {
    await using trial = await begin();
    const first = await trial.request(1);
    trial.names.ip = ["10.9.9.9"];
    await trial.clock.advance(10_000);
    const second = await trial.request(2);
    await trial.signer.approve(second, { ...life, insteadOf: first });
    await eventually(() => trial.log.count(/no certificate yet/, "warn") === 1, "of no use");
    assert.deepEqual(trial.issued, []);
    await trial.clock.advance(5000);
    await trial.signer.approve(await trial.request(3), { ...life, names: ["other.example"] });
    await has(trial, 1);
    assert.equal(trial.log.count(/for other names than were asked for/, "warn"), 1);
    await trial.clock.advance(hourMs);
    assert.equal(trial.signer.names.length, 3);
  });
});

describe("a certificate that is kept", () => {
  it("is taken after a restart as long as it is good, and what it says is right", async () => {
    const store = await newStore();
    const signer = new MemorySigner();
    const clock = new FakeClock(start);
    {
      await using first = await begin({ store, signer, clock });
      await signer.approve(await first.request(1), life);
      await has(first, 1);
      await eventually(() => first.log.count(/certificate issued/) === 1, "kept");
    }
    {
      await using again = await begin({ store, signer, clock });
      await has(again, 1);
      await again.clock.advance(hourMs);
      assert.equal(signer.names.length, 1);
    }
    {
      await using renamed = await begin({
        store,
        signer,
        clock,
        subject: () => ({
          commonName: "system:node:b",
          organizations: ["system:nodes"],
          dnsNames: ["b"],
          ipAddresses: [],
        }),
      });
      await renamed.request(2);
      assert.deepEqual(renamed.issued, []);
    }
    {
      await using unknown = await begin({
        store,
        signer,
        clock,
        subject: () => {
          throw new VirtualKubeletError("Unavailable", "no address yet");
        },
      });
      await has(unknown, 1);
    }
    await clock.advance(100 * hourMs);
    await using late = await begin({ store, signer, clock });
    await late.request(3);
    assert.deepEqual(late.issued, []);
    assert.equal(late.log.count(/has expired/), 1);
  });

  it("goes on with a request that waited when the process ended, not with one that was decided against", async () => {
    const store = await newStore();
    const signer = new MemorySigner();
    let name: string;
    {
      await using first = await begin({ store, signer });
      name = await first.request(1);
    }
    {
      await using second = await begin({ store, signer });
      await second.request(1);
    }
    signer.deny(name, "no");
    {
      await using third = await begin({ store, signer });
      name = await third.request(2);
    }
    signer.delete(name);
    {
      await using fourth = await begin({ store, signer });
      name = await fourth.request(3);
    }
    // Approved while nobody was there.
    await signer.approve(name, life);
    await using last = await begin({ store, signer });
    await has(last, 1);
    assert.equal(signer.names.length, 3);
  });

  it("is used although it cannot be kept; where it is read from the file, another try follows", async () => {
    const store = new FullStore(root, "full");
    await using trial = await begin({ store });
    await trial.signer.approve(await trial.request(1), life);
    await has(trial, 1);
    await eventually(() => trial.log.count(/cannot be kept/, "error") === 1, "told");
    await using strict = await begin({ store, usedFromStore: true });
    await strict.signer.approve(await strict.request(1), life);
    await eventually(() => strict.log.count(/no certificate yet/, "warn") === 1, "told");
    assert.deepEqual(strict.issued, []);
  });

  it("is asked for anew when the file is damaged", async () => {
    const store = await newStore();
    await store.write({ cert: "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----", key: "" });
    await using trial = await begin({ store });
    await trial.signer.approve(await trial.request(1), life);
    await has(trial, 1);
    await eventually(() => trial.log.count(/certificate issued/) === 1, "kept");
    assert.match(await readFile(store.path, "utf8"), /PRIVATE KEY/);
  });
});

/** On a disk that is full. */
class FullStore extends CertificateStore {
  override write(): Promise<void> {
    return Promise.reject(new Error("ENOSPC"));
  }

  override writePending(): Promise<void> {
    return Promise.reject(new Error("ENOSPC"));
  }
}

it("who denied is asked less often", () => {
  const delays = (denied: boolean) =>
    [1, 2, 3, 20, 1000].map((failures) => retryDelayMs(failures, denied, () => 0) / 1000);
  assert.deepEqual(delays(false), [5, 10, 20, 300, 300]);
  assert.deepEqual(delays(true), [60, 120, 240, 3600, 3600]);
  assert.equal(
    retryDelayMs(1, false, () => 0.999),
    5000 * (1 + 0.2 * 0.999),
  );
});
