import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, it } from "node:test";
import { connect, createServer, type Server, type TLSSocket } from "node:tls";
import { FakeClock } from "../testing/fake-clock.ts";
import { eventually } from "../testing/fault-server.ts";
import { LogRecorder } from "../testing/log-recorder.ts";
import { createAuthority, type IssuedCertificate } from "../testing/pki.ts";
import type { Renewed, ServingCertificate } from "./certificate-source.ts";
import { ServingCertificateFiles } from "./serving-certificate-files.ts";

const authority = createAuthority("ca");
const issue = (commonName: string): IssuedCertificate => authority.issue({ commonName, ipAddresses: ["127.0.0.1"] });

let root: string;
before(async () => {
  root = await mkdtemp(join(tmpdir(), "serving-files-"));
});
after(() => rm(root, { recursive: true, force: true }));

/** A TLS server that says back what it hears, with whatever certificate the source has. */
async function serve(source: Renewed<ServingCertificate>): Promise<Server> {
  const server = createServer(source.current(), (socket) => socket.on("error", () => {}).pipe(socket));
  source.subscribe(() => server.setSecureContext(source.current()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return server;
}

const dialled: TLSSocket[] = [];
after(() => {
  for (const socket of dialled) socket.destroy();
});

async function dial(server: Server): Promise<TLSSocket> {
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const socket = connect({ host: "127.0.0.1", port: address.port, ca: authority.certificate });
  dialled.push(socket);
  await once(socket, "secureConnect");
  return socket;
}

const nameOf = (socket: TLSSocket): string => String(socket.getPeerX509Certificate()?.subject);

async function nameServed(server: Server): Promise<string> {
  const socket = await dial(server);
  const name = nameOf(socket);
  socket.destroy();
  return name;
}

async function says(socket: TLSSocket, text: string): Promise<string> {
  socket.write(text);
  const [heard] = await once(socket, "data");
  return String(heard);
}

interface Trial extends AsyncDisposable {
  readonly certFile: string;
  readonly keyFile: string;
  readonly log: LogRecorder;
  readonly server: Server;
  /** Lets a look happen, twice. */
  look(): Promise<void>;
}

async function begin(certFile: string, keyFile: string): Promise<Trial> {
  const clock = new FakeClock(Date.now());
  const log = new LogRecorder();
  const source = await ServingCertificateFiles.open({ certFile, keyFile, log, clock });
  const end = new AbortController();
  const running = source.run(end.signal);
  const server = await serve(source);
  const look = async (): Promise<void> => {
    for (let looks = 0; looks < 2; looks++) {
      // The next look is planned when this one is over.
      await eventually(() => clock.pending > 0, "the next look is planned");
      await clock.advance(5000);
    }
    await eventually(() => clock.pending > 0, "the next look is planned");
  };
  return {
    certFile,
    keyFile,
    log,
    server,
    look,
    async [Symbol.asyncDispose]() {
      end.abort();
      await running;
      server.close();
    },
  };
}

async function write(directory: string, pair: IssuedCertificate): Promise<[string, string]> {
  const [certFile, keyFile] = [join(directory, "tls.crt"), join(directory, "tls.key")];
  await writeFile(certFile, pair.certificate);
  await writeFile(keyFile, pair.key);
  return [certFile, keyFile];
}

const newDirectory = (): Promise<string> => mkdtemp(join(root, "pair-"));

describe("a serving certificate in files", () => {
  it("is taken when both are new, and not a connection is lost", async () => {
    await using trial = await begin(...(await write(await newDirectory(), issue("old"))));
    const { server } = trial;
    const open = await dial(server);
    assert.equal(nameOf(open), "CN=old");
    const renewed = issue("new");
    await writeFile(trial.certFile, renewed.certificate);
    await trial.look();
    assert.equal(await nameServed(server), "CN=old", "half of it is none");
    assert.equal(trial.log.count(/keeping the last one/, "warn"), 1);
    await writeFile(trial.keyFile, renewed.key);
    await trial.look();
    assert.equal(await nameServed(server), "CN=new");
    assert.equal(trial.log.count(/replaced/), 1);
    assert.equal(await says(open, "still here"), "still here");
  });

  it("is kept, and said so now and then, while the files are gone or broken", async () => {
    await using trial = await begin(...(await write(await newDirectory(), issue("old"))));
    await rm(trial.keyFile);
    await trial.look();
    assert.equal(await nameServed(trial.server), "CN=old");
    assert.match(String(trial.log.lines.at(-1)?.fields["reason"]), /tls\.key cannot be read: ENOENT/);
    await trial.look();
    assert.equal(trial.log.count(/keeping/), 1, "not at every look");
    for (let looks = 0; looks < 60; looks++) await trial.look();
    assert.equal(trial.log.count(/keeping/), 2, "again after ten minutes");
    await writeFile(trial.keyFile, "no key");
    await trial.look();
    assert.equal(trial.log.count(/keeping/), 3, "another fault");
    await write(join(trial.certFile, ".."), issue("new"));
    await trial.look();
    assert.equal(await nameServed(trial.server), "CN=new");
  });

  it("is taken from a mounted Secret, whose directory is swapped", async () => {
    const mount = await newDirectory();
    const put = async (version: string): Promise<void> => {
      await mkdir(join(mount, version));
      await write(join(mount, version), issue(version));
      await symlink(version, join(mount, "..data.tmp"));
      await rename(join(mount, "..data.tmp"), join(mount, "..data"));
    };
    await put("one");
    await symlink("..data/tls.crt", join(mount, "tls.crt"));
    await symlink("..data/tls.key", join(mount, "tls.key"));
    await using trial = await begin(join(mount, "tls.crt"), join(mount, "tls.key"));
    await put("two");
    await trial.look();
    assert.equal(await nameServed(trial.server), "CN=two");
    assert.equal(trial.log.count(/keeping/), 0);
  });

  it("may be one file with chain and key", async () => {
    const file = join(await newDirectory(), "all.pem");
    const { certificate, key } = issue("one-file");
    await writeFile(file, key + certificate + authority.certificate);
    await using trial = await begin(file, file);
    assert.equal(await nameServed(trial.server), "CN=one-file");
  });

  it("has to be there at the start: all faults are said", async () => {
    const directory = await newDirectory();
    const [certFile, keyFile] = await write(directory, issue("a"));
    const open = (cert: string, key: string): Promise<unknown> =>
      ServingCertificateFiles.open({ certFile: cert, keyFile: key, log: new LogRecorder() });
    await assert.rejects(open(join(directory, "no.crt"), join(directory, "no.key")), {
      kind: "Invalid",
      message: /no\.crt cannot be read: ENOENT; .*no\.key cannot be read: ENOENT/,
    });
    await writeFile(keyFile, issue("b").key);
    await assert.rejects(open(certFile, keyFile), { kind: "Invalid", message: /do not belong together/ });
    await writeFile(keyFile, "");
    await assert.rejects(open(certFile, keyFile), { kind: "Invalid", message: /no certificate and key/ });
  });

  it("that has expired is served, and said so", async () => {
    const [certFile, keyFile] = await write(await newDirectory(), issue("a"));
    const log = new LogRecorder();
    const open = (now: number): Promise<unknown> =>
      ServingCertificateFiles.open({ certFile, keyFile, log, clock: new FakeClock(now) });
    await open(Date.now() + 400 * 86_400_000);
    assert.equal(log.count(/has expired/, "warn"), 1);
    await open(Date.now() - 86_400_000);
    assert.equal(log.count(/not valid yet/, "warn"), 1);
  });
});
