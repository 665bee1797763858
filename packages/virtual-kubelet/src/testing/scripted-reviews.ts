// The API server's side of token reviews for tests: accounts that come and go, failures, and answers that wait.
import { object, parse, strictObject, string } from "valibot";
import type { KubeClient } from "../kube/client.ts";
import type { TokenReviewStatus } from "../kube/types.gen.ts";
import { scriptedClient } from "./scripted-client.ts";

/** Answers token reviews by `accounts`, which is read at each question. */
export class TokenServer {
  readonly accounts: Map<string, TokenReviewStatus> = new Map();
  /** The tokens asked for. */
  readonly asked: string[] = [];
  /** Thrown by the next questions, in turn. */
  readonly failures: Error[] = [];
  /** Holds answers back until it resolves. */
  hold: Promise<void> = Promise.resolve();
  readonly client: KubeClient = scriptedClient({
    review: async (_resource, question) => {
      // Strict: nothing but the token is asked for, no audience above all.
      const { token } = parse(object({ spec: strictObject({ token: string() }) }), question).spec;
      this.asked.push(token);
      await this.hold;
      const failure = this.failures.shift();
      if (failure !== undefined) throw failure;
      return { ...question, status: this.accounts.get(token) ?? { authenticated: false, error: "unknown token" } };
    },
  });

  accept(token: string, username: string, groups: readonly string[] = ["system:authenticated"]): void {
    this.accounts.set(token, { authenticated: true, user: { username, groups } });
  }
}
