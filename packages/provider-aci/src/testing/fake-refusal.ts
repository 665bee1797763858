// How the fake of Azure Resource Manager answers: with a body, or with an error of the cloud's form.

export interface FakeReply {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** The SDK's model of the body; absent: none has been written for it, or there is no body. */
  readonly model?: string | undefined;
}

/** Thrown where the cloud refuses. */
export class FakeRefusal extends Error {
  readonly reply: FakeReply;

  constructor(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.reply = { status, headers, body: { error: { code, message } }, model: "CloudError" };
  }
}

export function notFound(type: string, name: string, resourceGroup: string): FakeRefusal {
  const message = `The Resource '${type}/${name}' under resource group '${resourceGroup}' was not found.`;
  return new FakeRefusal(404, "ResourceNotFound", message);
}
