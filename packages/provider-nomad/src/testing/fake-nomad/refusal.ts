// What the fake refuses, as Nomad tells it: a status and plain words.

export class NomadRefusal extends Error {
  readonly status: number;

  constructor(status: number, text: string) {
    super(text);
    this.name = "NomadRefusal";
    this.status = status;
  }
}

export const unknownAllocation = (id: string): NomadRefusal => new NomadRefusal(404, `Unknown allocation "${id}"`);
