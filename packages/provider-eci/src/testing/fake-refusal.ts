// How the fake of Elastic Container Instance refuses: with the vendor's code and status.
import { randomUUID } from "node:crypto";

/** Thrown where the cloud refuses. */
export class FakeRefusal extends Error {
  readonly status: number;
  /** "Throttling.User". */
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

/** What the cloud answers then. */
export function refusalBody({ code, message }: FakeRefusal, host: string): object {
  return { RequestId: requestId(), HostId: host, Code: code, Message: message };
}

export function requestId(): string {
  return randomUUID().toUpperCase();
}

export function invalid(parameter: string, why: string): FakeRefusal {
  return new FakeRefusal(400, "InvalidParameter", `The parameter ${parameter} is invalid: ${why}`);
}

export function incorrectStatus(why: string): FakeRefusal {
  return new FakeRefusal(400, "IncorrectStatus", why);
}

/** The code is a guess: no page of the vendor names it. */
export function noGroup(id: string): FakeRefusal {
  return new FakeRefusal(404, "ContainerGroupNotFound", `The container group ${id} does not exist.`);
}
