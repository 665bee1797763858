import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { VirtualKubeletError } from "../errors.ts";
import { certificateFacts, pairFault } from "../kube/certificate-pair.ts";
import { FakeClock } from "../testing/fake-clock.ts";
import { eventually } from "../testing/fault-server.ts";
import { LogRecorder } from "../testing/log-recorder.ts";
import type { ServingCertificate } from "./certificate-source.ts";
import { available } from "./renewed-value.ts";
import { SelfSignedServingCertificate } from "./serving-certificate-self-signed.ts";

const start = Date.UTC(2026, 0, 1);
const dayMs = 86_400_000;

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), "self-signed-"));
});
after(() => rm(root, { recursive: true, force: true }));

/** Of a machine that slept: the time is another, and no timer has run. */
class LeapingClock extends FakeClock {
  #leapt = 0;

  override now(): number {
    return super.now() + this.#leapt;
  }

  leap(ms: number): void {
    this.#leapt += ms;
  }
}

interface Trial extends AsyncDisposable {
  readonly source: SelfSignedServingCertificate;
  readonly clock: LeapingClock;
  readonly log: LogRecorder;
  readonly names: { dns: string[]; ip: string[]; fault?: VirtualKubeletError };
  /** The first certificate, or the next one after this. */
  next(than?: ServingCertificate): Promise<ServingCertificate>;
}

async function begin(certDir?: string, clock: LeapingClock = new LeapingClock(start)): Promise<Trial> {
  const log = new LogRecorder();
  const names: Trial["names"] = { dns: [], ip: ["10.0.0.1"] };
  const source = new SelfSignedServingCertificate({
    node: "node-a",
    names: () => {
      if (names.fault !== undefined) throw names.fault;
      return { dnsNames: names.dns, ipAddresses: names.ip };
    },
    certDir,
    log,
    clock,
    random: () => 0,
  });
  const end = new AbortController();
  const running = source.run(end.signal);
  return {
    source,
    clock,
    log,
    names,
    async next(than) {
      if (than === undefined) return available(source, AbortSignal.timeout(60_000));
      await eventually(() => source.current().cert !== than.cert, "another certificate");
      return source.current();
    },
    async [Symbol.asyncDispose]() {
      end.abort();
      await running;
    },
  };
}

describe("a self-signed serving certificate", () => {
  it("is for the node's names and addresses, for a year", async () => {
    await using trial = await begin();
    assert.throws(() => trial.source.current(), { kind: "Unavailable" });
    const pair = await trial.next();
    assert.equal(pairFault(pair), undefined);
    const facts = certificateFacts(pair.cert);
    assert.deepEqual(facts.subject, {
      commonName: "node-a",
      organizations: [],
      dnsNames: ["node-a"],
      ipAddresses: ["10.0.0.1"],
    });
    assert.ok(facts.notBefore < start);
    assert.equal(facts.notAfter, start + 365 * dayMs);
    assert.equal(trial.log.count(/self-signed/, "info"), 1);
  });

  it("is made anew well before it expires, and when names change", async () => {
    await using trial = await begin();
    const first = await trial.next();
    await trial.clock.advance(10_000);
    assert.equal(trial.source.current(), first);
    trial.names.ip = ["10.0.0.2", "fd00::1"];
    await trial.clock.advance(10_000);
    const second = await trial.next(first);
    assert.deepEqual(certificateFacts(second.cert).subject.ipAddresses, ["10.0.0.2", "fd00::1"]);
    trial.names.fault = new VirtualKubeletError("Unavailable", "no addresses now");
    await trial.clock.advance(10_000);
    assert.equal(trial.source.current(), second);
    delete trial.names.fault;
    trial.clock.leap(260 * dayMs);
    await trial.clock.advance(10_000);
    const third = await trial.next(second);
    assert.ok(certificateFacts(third.cert).notAfter > start + 600 * dayMs);
  });

  it("is the same after a restart when it is kept, as long as it fits", async () => {
    const certDir = await mkdtemp(join(root, "certs-"));
    let pair: ServingCertificate;
    {
      await using first = await begin(certDir);
      pair = await first.next();
      // Written after it is used.
      await eventually(() => first.clock.pending > 0, "at rest");
    }
    {
      await using second = await begin(certDir);
      assert.deepEqual(await second.next(), pair);
      assert.equal(second.log.count(/self-signed/), 0);
    }
    {
      await using late = await begin(certDir, new LeapingClock(start + 300 * dayMs));
      const renewed = await late.next();
      assert.notEqual(renewed.cert, pair.cert);
      await eventually(() => late.clock.pending > 0, "at rest");
    }
    await writeFile(join(certDir, "kubelet-server-self-signed-current.pem"), "damaged");
    await using damaged = await begin(certDir, new LeapingClock(start + 300 * dayMs));
    assert.equal(pairFault(await damaged.next()), undefined);
    assert.equal(damaged.log.count(/cannot be used/, "warn"), 1);
  });

  it("serves although it cannot be kept", async () => {
    const file = join(root, "no-directory");
    await writeFile(file, "");
    await using trial = await begin(file);
    assert.equal(pairFault(await trial.next()), undefined);
    await eventually(() => trial.log.count(/cannot be kept/, "error") === 1, "told");
  });
});
