import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import { type ConnectionEnds, HandshakeAuthorities } from "./handshake-authorities.ts";

class Ends extends EventEmitter implements ConnectionEnds {
  readonly localAddress = "192.0.2.2";
  readonly localPort = 10250;
  readonly remoteAddress = "192.0.2.1";
  readonly remotePort: number;

  constructor(port: number) {
    super();
    this.remotePort = port;
  }
}

test("a connection has the authorities of its beginning, as long as they are in force without a break", () => {
  const authorities = new HandshakeAuthorities();
  const [early, late, stranger] = [new Ends(1), new Ends(2), new Ends(3)];
  authorities.bundle = "a";
  authorities.arrived(early);
  authorities.bundle = "a";
  assert.deepEqual(
    [early, late, stranger].map((socket) => authorities.of(socket)),
    ["a", undefined, undefined],
  );
  authorities.bundle = "b";
  authorities.arrived(late);
  assert.deepEqual([authorities.of(early), authorities.of(late)], [undefined, "b"]);
  authorities.bundle = "a";
  assert.deepEqual(
    [authorities.of(early), authorities.of(late)],
    [undefined, undefined],
    "it was not in force all the time",
  );
  const latest = new Ends(2);
  authorities.arrived(latest);
  assert.equal(authorities.of(latest), "a");
  latest.emit("close");
  assert.equal(authorities.of(latest), undefined);
  const gone = { remoteAddress: undefined, remotePort: undefined };
  authorities.arrived(Object.assign(new EventEmitter(), gone));
  assert.equal(authorities.of(gone), undefined);
});
