// Pods in networks of their own, on a bridge that each test makes and removes. Needs root on Linux.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import { text } from "node:stream/consumers";
import { describe, it } from "node:test";
import type { ContainerRef } from "../../engine/container-runtime.ts";
import { VirtualKubeletError } from "../../errors.ts";
import { benchRange, ProcessBench, quiet, refuses, sandboxOf, until } from "../../testing/process-bench.ts";
import { linkName } from "./pod-network.ts";

const range = benchRange();
const settings = { network: "private", podCIDR: `${range}.0/28` };
const perl = ["/usr/bin/perl", "-MIO::Socket::INET", "-e"] as const;
const serve =
  '$s = IO::Socket::INET->new(LocalPort => 8080, Listen => 5) or die $!; while ($c = $s->accept) { print $c "$ARGV[0]\\n"; close $c }';
const ask =
  '$s = IO::Socket::INET->new(PeerAddr => $ARGV[0], PeerPort => 8080, Timeout => 5) or die "no: $@"; print <$s>';

async function server(bench: ProcessBench, podUid: string, name: string): Promise<ContainerRef> {
  return await bench.run(podUid, "", { name, command: [...perl, serve, name] });
}

async function ip(bench: ProcessBench, podUid: string): Promise<string> {
  const ips = (await bench.runtime.get(podUid, quiet))?.ips ?? [];
  assert.equal(ips.length, 1, `addresses: ${ips}`);
  return ips[0] ?? "";
}

/** What a server at this address says, as the host hears it. */
async function heard(host: string): Promise<string> {
  const socket = connect({ host, port: 8080, timeout: 5000 });
  socket.once("timeout", () => socket.destroy(new Error("nothing came")));
  await once(socket, "connect");
  return await text(socket);
}

async function eventuallyHeard(host: string): Promise<string> {
  let said = "";
  const hear = async (): Promise<boolean> => {
    said = await heard(host).catch(() => "");
    return said !== "";
  };
  await until(hear, `what ${host} says`);
  return said;
}

describe("a pod with a network of its own", () => {
  it("has an address at which host and pods reach it, loopback, and every port; its containers share it", async () => {
    await using bench = new ProcessBench(settings);
    await bench.open();
    const [a, b] = [await bench.pod(), await bench.pod()];
    const [first] = [await server(bench, a, "one"), await server(bench, b, "two")];
    assert.deepEqual([await ip(bench, a), await ip(bench, b)], [`${range}.2`, `${range}.3`]);
    assert.equal(await eventuallyHeard(`${range}.2`), "one\n");
    assert.equal(await eventuallyHeard(`${range}.3`), "two\n");
    const other = await bench.run(a, "sleep 1000", { name: "other" });
    for (const [host, said] of [
      ["127.0.0.1", "one\n"],
      [`${range}.2`, "one\n"],
      [`${range}.3`, "two\n"],
    ] as const)
      assert.deepEqual(await bench.exec(other, ...perl, ask, host), { out: said, code: 0 });
    const links = await bench.exec(first, "/bin/sh", "-c", "cat /proc/net/dev | cut -d: -f1");
    assert.deepEqual(links.out.trim().split(/\s+/).slice(-2).sort(), ["eth0", "lo"]);
    const [near, far] = duplexPair();
    far.end();
    const carried = text(far);
    await bench.runtime.portForward(b, 8080, near, quiet);
    assert.equal(await carried, "two\n");
  });

  it("goes with it, and its address is free again; pods in the host's network have none", async () => {
    await using bench = new ProcessBench({ ...settings, podCIDR: `${range}.0/29` });
    await bench.open();
    const host = await bench.pod({ hostNetwork: true });
    assert.equal(await ip(bench, host), "192.0.2.1");
    const sleeper = await bench.run(host, "sleep 1000");
    assert.ok((await bench.exec(sleeper, "cat", "/proc/net/dev")).out.includes(bench.bridge));
    const pods = [];
    for (let turn = 0; turn < 5; turn++) pods.push(await bench.pod());
    await assert.rejects(bench.pod(), /all addresses of .*\/29 are taken/);
    const [gone = "", stopped = ""] = pods;
    await bench.run(gone, "sleep 1000");
    await bench.runtime.removeSandbox(gone, quiet);
    assert.equal(bench.links().length, 4);
    assert.equal(await ip(bench, await bench.pod()), `${range}.2`);
    await bench.runtime.stopSandbox(stopped, quiet);
    assert.deepEqual((await bench.runtime.get(stopped, quiet))?.ips, []);
    assert.equal(await ip(bench, await bench.pod()), `${range}.3`);
    assert.equal(bench.links().length, 5);
  });

  it("has net sysctls of its own, and no port of the host", async () => {
    await using bench = new ProcessBench(settings);
    await bench.open();
    const name = "net.ipv4.ip_unprivileged_port_start";
    const ref = await bench.run(await bench.pod({ sysctls: { [name]: "80" } }), "sleep 1000");
    const path = `/proc/sys/${name.replaceAll(".", "/")}`;
    assert.equal((await bench.exec(ref, "cat", path)).out, "80\n");
    const sysctls = { "net.ipv4.ip_forward": "1" };
    await assert.rejects(bench.pod({ sysctls }), refuses("Unsupported", "spec.securityContext.sysctls"));
    await assert.rejects(
      bench.pod({ sysctls: { [name]: "80" }, hostNetwork: true }),
      refuses("Unsupported", "spec.securityContext.sysctls"),
    );
    const hostPorts = [{ hostPort: 8080, containerPort: 8080, protocol: "TCP" }];
    await assert.rejects(bench.pod({ hostPorts }), refuses("Unsupported", "spec.containers.ports.hostPort"));
  });
});

describe("after a restart of the program", () => {
  it("pods have the addresses that they had, and nobody else gets one of them", async () => {
    await using bench = new ProcessBench(settings);
    await bench.open();
    const [first, second] = [await bench.pod(), await bench.pod()];
    const ref = await server(bench, second, "main");
    await bench.runtime.removeSandbox(first, quiet);
    await bench.reopen();
    assert.equal(await eventuallyHeard(`${range}.3`), "main\n");
    assert.equal((await bench.container(ref)).state, "running");
    const others = [await ip(bench, await bench.pod()), await ip(bench, await bench.pod())];
    assert.deepEqual(others, [`${range}.2`, `${range}.4`]);
  });

  it("the link of a pod that was half removed is gone", async () => {
    await using bench = new ProcessBench(settings);
    await bench.open();
    const [kept, lost] = [await bench.pod(), await bench.pod()];
    rmSync(join(bench.config.stateDirectory, "node-a", "pods", lost, "sandbox.json"));
    await bench.reopen();
    assert.deepEqual(bench.links(), [linkName(bench.bridge, kept)]);
  });

  it("a pod whose network is gone ends, and begins anew", async () => {
    await using bench = new ProcessBench(settings);
    await bench.open();
    const spec = sandboxOf();
    const { uid } = spec.owner;
    await bench.runtime.createSandbox(spec, quiet);
    const ref = await bench.run(uid, "sleep 1000");
    execFileSync("ip", ["link", "delete", bench.bridge]);
    await bench.reopen();
    assert.equal((await bench.runtime.get(uid, quiet))?.ready, false);
    assert.equal((await bench.container(ref)).state, "exited");
    await bench.runtime.createSandbox(spec, quiet);
    await server(bench, uid, "again");
    assert.equal(await eventuallyHeard(await ip(bench, uid)), "again\n");
  });

  it("without such pods the bridge goes with the program", async () => {
    await using bench = new ProcessBench(settings);
    await bench.open();
    assert.ok(existsSync(`/sys/class/net/${bench.bridge}`));
    await bench.runtime[Symbol.asyncDispose]();
    assert.ok(!existsSync(`/sys/class/net/${bench.bridge}`));
  });
});

describe("what cannot be had is refused at the start", () => {
  it("a range that another network of this host is in", async () => {
    await using bench = new ProcessBench(settings);
    await bench.open();
    await using other = new ProcessBench({ ...settings, podCIDR: `${range}.8/29` });
    await assert.rejects(other.open(), (error) => {
      assert.ok(error instanceof VirtualKubeletError);
      assert.match(error.message, /podCIDR 198\S+\.8\/29 overlaps with 198\S+\.1\/28 \(vkbr-/);
      return error.kind === "Invalid";
    });
  });

  for (const [change, words] of [
    [{ podCIDR: undefined }, /needs a podCIDR/],
    [{ podCIDR: "198.18.0.0/8" }, /podCIDR: must be an IPv4 range/],
    [{ isolation: "none" }, /needs isolation "namespaces"/],
  ] as const)
    it(`configuration: ${words.source}`, () => {
      assert.throws(() => new ProcessBench({ ...settings, ...change }), words);
    });
});
