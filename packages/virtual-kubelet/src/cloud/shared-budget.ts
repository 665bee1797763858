// One budget for all nodes of this process that call the same account: a cloud counts calls by account, whoever makes them.
import { CallBudget, type CallBudgetOptions } from "./call-budget.ts";

const budgets = new Map<string, WeakRef<CallBudget>>();
const forgotten = new FinalizationRegistry<string>((key) => {
  if (budgets.get(key)?.deref() === undefined) budgets.delete(key);
});

/**
 * That of the account, with these limits: who configures others has one of its own. It is there for as long as anybody holds it; clock and
 * log are those of who asked first. `account`: all that the cloud tells accounts apart by, no secrets.
 */
export function sharedBudget(account: string, options: CallBudgetOptions): CallBudget {
  const { limits, fallback, retryForMs } = options;
  const key = JSON.stringify([account, limits, fallback, retryForMs]);
  const known = budgets.get(key)?.deref();
  if (known !== undefined) return known;
  const made = new CallBudget(options);
  budgets.set(key, new WeakRef(made));
  forgotten.register(made, key);
  return made;
}
