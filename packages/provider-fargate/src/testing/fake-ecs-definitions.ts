// Task definitions of a fake ECS: families with revisions, active, inactive and being deleted.
import * as ecs from "@aws-sdk/client-ecs";
import { type Operation, operation } from "./aws-operation.ts";
import { refusal } from "./aws-refusal.ts";
import { type FakeAccount, page } from "./fake-ecs-account.ts";
import { checkDefinition } from "./fake-ecs-definition-rules.ts";

export class FakeEcsDefinitions {
  readonly #account: FakeAccount;
  readonly #all = new Map<string, ecs.TaskDefinition>();
  readonly #revisions = new Map<string, number>();

  constructor(account: FakeAccount) {
    this.#account = account;
  }

  /** ARNs of those that are active. */
  get active(): readonly string[] {
    return [...this.#all].filter(([, { status }]) => status === "ACTIVE").map(([arn]) => arn);
  }

  /** Every one that is still known, deleted ones not. */
  get known(): readonly ecs.TaskDefinition[] {
    return [...this.#all.values()];
  }

  /** By ARN, `family:revision` or `family`. */
  find(text: string): ecs.TaskDefinition {
    const short = text.includes("/") ? text.slice(text.lastIndexOf("/") + 1) : text;
    const arn = this.#account.arn("ecs", `task-definition/${short}`);
    const latest = [...this.#all.values()]
      .filter(({ family, status }) => family === short && status === "ACTIVE")
      .at(-1);
    const found = short.includes(":") ? this.#all.get(arn) : latest;
    if (found === undefined) throw refusal("ClientException", "Unable to describe task definition.");
    return found;
  }

  /** One that tasks may be run with. */
  runnable(text: string): ecs.TaskDefinition {
    let found: ecs.TaskDefinition | undefined;
    try {
      found = this.find(text);
    } catch {
      found = undefined;
    }
    if (found === undefined) throw refusal("ClientException", "TaskDefinition not found.");
    if (found.status !== "ACTIVE") throw refusal("ClientException", "TaskDefinition is inactive");
    return found;
  }

  readonly operations: Readonly<Record<string, Operation>> = {
    RegisterTaskDefinition: operation<ecs.RegisterTaskDefinitionRequest, ecs.RegisterTaskDefinitionResponse>(
      ecs.RegisterTaskDefinition$,
      (input) => this.#register(input),
    ),
    DescribeTaskDefinition: operation<ecs.DescribeTaskDefinitionRequest, ecs.DescribeTaskDefinitionResponse>(
      ecs.DescribeTaskDefinition$,
      ({ taskDefinition = "", include }) => {
        const found = this.find(taskDefinition);
        const tags = include?.includes("TAGS") ? { tags: this.#account.tagsOf(found.taskDefinitionArn ?? "") } : {};
        return { taskDefinition: found, ...tags };
      },
    ),
    DeregisterTaskDefinition: operation<ecs.DeregisterTaskDefinitionRequest, ecs.DeregisterTaskDefinitionResponse>(
      ecs.DeregisterTaskDefinition$,
      ({ taskDefinition = "" }) => {
        if (!taskDefinition.includes(":")) throw refusal("ClientException", "A revision has to be given.");
        const found = this.find(taskDefinition);
        if (found.status === "ACTIVE") {
          found.status = "INACTIVE";
          found.deregisteredAt = this.#account.now();
        }
        return { taskDefinition: found };
      },
    ),
    DeleteTaskDefinitions: operation<ecs.DeleteTaskDefinitionsRequest, ecs.DeleteTaskDefinitionsResponse>(
      ecs.DeleteTaskDefinitions$,
      ({ taskDefinitions = [] }) => this.#delete(taskDefinitions),
    ),
    ListTaskDefinitions: operation<ecs.ListTaskDefinitionsRequest, ecs.ListTaskDefinitionsResponse>(
      ecs.ListTaskDefinitions$,
      ({ familyPrefix, status = "ACTIVE", sort, nextToken, maxResults }) => {
        const all = [...this.#all.values()].filter(
          (each) => each.status === status && (familyPrefix === undefined || each.family === familyPrefix),
        );
        const arns = all
          .sort((a, b) => (a.family ?? "").localeCompare(b.family ?? "") || (a.revision ?? 0) - (b.revision ?? 0))
          .map(({ taskDefinitionArn = "" }) => taskDefinitionArn);
        const found = page(sort === "DESC" ? arns.reverse() : arns, nextToken, maxResults, 100);
        return { taskDefinitionArns: found.items, nextToken: found.nextToken };
      },
    ),
    ListTaskDefinitionFamilies: operation<
      ecs.ListTaskDefinitionFamiliesRequest,
      ecs.ListTaskDefinitionFamiliesResponse
    >(ecs.ListTaskDefinitionFamilies$, ({ familyPrefix = "", status = "ACTIVE", nextToken, maxResults }) => {
      const families = new Set<string>();
      for (const { family = "", status: state } of this.#all.values())
        if (family.startsWith(familyPrefix) && (status === "ALL" || (state === "ACTIVE") === (status === "ACTIVE")))
          families.add(family);
      const found = page([...families].sort(), nextToken, maxResults, 100);
      return { families: found.items, nextToken: found.nextToken };
    }),
  };

  #register(input: ecs.RegisterTaskDefinitionRequest): ecs.RegisterTaskDefinitionResponse {
    checkDefinition(input);
    const { tags = [], enableFaultInjection: _, family = "", ...rest } = input;
    const revision = (this.#revisions.get(family) ?? 0) + 1;
    this.#revisions.set(family, revision);
    const taskDefinitionArn = this.#account.arn("ecs", `task-definition/${family}:${revision}`);
    this.#account.tag(taskDefinitionArn, tags);
    const taskDefinition: ecs.TaskDefinition = {
      ...rest,
      ...{ taskDefinitionArn, family, revision, status: "ACTIVE", registeredAt: this.#account.now() },
      compatibilities: ["EC2", "FARGATE"],
      containerDefinitions: (rest.containerDefinitions ?? []).map((each) => ({ essential: true, cpu: 0, ...each })),
    };
    this.#all.set(taskDefinitionArn, taskDefinition);
    return { taskDefinition, tags: this.#account.tagsOf(taskDefinitionArn) };
  }

  #delete(names: readonly string[]): ecs.DeleteTaskDefinitionsResponse {
    if (names.length < 1 || names.length > 10) throw refusal("InvalidParameterException", "1 to 10 task definitions");
    const taskDefinitions: ecs.TaskDefinition[] = [];
    const failures: ecs.Failure[] = [];
    for (const each of names) {
      const found = this.find(each);
      const arn = found.taskDefinitionArn ?? "";
      if (found.status !== "INACTIVE") {
        failures.push({
          arn,
          reason:
            "The specified task definition is still in ACTIVE status. Please deregister the target and try again.",
        });
        continue;
      }
      found.status = "DELETE_IN_PROGRESS";
      found.deleteRequestedAt = this.#account.now();
      this.#all.delete(arn);
      this.#account.forget(arn);
      taskDefinitions.push(found);
    }
    return { taskDefinitions, failures };
  }
}
