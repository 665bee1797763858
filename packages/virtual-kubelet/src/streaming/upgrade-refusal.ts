// Why a request to change the protocol is not granted: an HTTP answer in place of the 101.

/** Thrown before the 101 is sent; who accepts upgrades answers with it and closes the connection. */
export class UpgradeRefusal extends Error {
  override readonly name = "UpgradeRefusal";
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  /** `message` is the body, as plain text. */
  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}
