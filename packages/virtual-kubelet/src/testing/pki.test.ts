import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { test } from "node:test";
import { connect, createServer } from "node:tls";
import { createAuthority } from "./pki.ts";

test("certificates carry user, groups and names, and are signed by their authority alone", () => {
  const authority = createAuthority("kubernetes");
  const issued = authority.issue({
    commonName: "system:node:a",
    organizations: [
      "system:nodes",
      "an organisation whose name is long enough to need more than one byte of length, ".repeat(3),
    ],
    dnsNames: ["localhost"],
    ipAddresses: ["127.0.0.1", "::1", "2001:db8::ff:1"],
  });
  const certificate = new X509Certificate(issued.certificate);
  assert.match(certificate.subject, /^O=system:nodes\nO=an organisation/);
  assert.match(certificate.subject, /\nCN=system:node:a$/);
  assert.equal(certificate.issuer, "CN=kubernetes");
  assert.deepEqual(certificate.subjectAltName?.split(", "), [
    "DNS:localhost",
    "IP Address:127.0.0.1",
    "IP Address:0:0:0:0:0:0:0:1",
    "IP Address:2001:DB8:0:0:0:0:FF:1",
  ]);
  assert.deepEqual(certificate.keyUsage, ["1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.1"]);
  assert.equal(certificate.ca, false);
  const root = new X509Certificate(authority.certificate);
  assert.equal(root.ca, true);
  assert.ok(certificate.checkIssued(root));
  assert.ok(certificate.verify(root.publicKey));
  assert.equal(certificate.verify(new X509Certificate(createAuthority("kubernetes").certificate).publicKey), false);
  assert.ok(certificate.validFromDate.getTime() < Date.now());
  assert.ok(certificate.validToDate.getTime() > Date.now() + 300 * 86_400_000);
});

test("server and client prove themselves to one another over TLS", async () => {
  const authority = createAuthority("kubernetes");
  const server = authority.issue({ commonName: "server", ipAddresses: ["127.0.0.1"], usages: ["server"] });
  const client = authority.issue({ commonName: "client", usages: ["client"] });
  const ca = authority.certificate;
  const listener = createServer(
    { cert: server.certificate, key: server.key, ca, requestCert: true, rejectUnauthorized: true },
    (socket) => socket.end(`hello ${socket.getPeerX509Certificate()?.subject}`),
  ).listen(0, "127.0.0.1");
  await once(listener, "listening");
  try {
    const address = listener.address();
    assert.ok(typeof address === "object" && address !== null);
    const socket = connect({ host: "127.0.0.1", port: address.port, ca, cert: client.certificate, key: client.key });
    let said = "";
    for await (const chunk of socket.setEncoding("utf8")) said += String(chunk);
    assert.equal(said, "hello CN=client");

    const stranger = createAuthority("kubernetes").certificate;
    const distrusting = connect({ host: "127.0.0.1", port: address.port, ca: stranger });
    await assert.rejects(once(distrusting, "secureConnect"), /certificate/);
  } finally {
    listener.close();
  }
});
