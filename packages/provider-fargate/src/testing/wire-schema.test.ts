import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GetMetricDataInput$, MetricDataResult$ } from "@aws-sdk/client-cloudwatch";
import { RegisterTaskDefinitionRequest$, RunTaskRequest$ } from "@aws-sdk/client-ecs";
import { convert } from "./wire-schema.ts";

const faultsOf = (shape: Parameters<typeof convert>[0], value: unknown): readonly string[] =>
  convert(shape, value, "fromWire").faults;

describe("the check of requests against the SDK's shapes", () => {
  it("finds nothing in a good one", () => {
    const request = { taskDefinition: "a", count: 1, tags: [{ key: "k", value: "v" }], launchType: "FARGATE" };
    assert.deepEqual(convert(RunTaskRequest$, request, "fromWire"), { value: request, faults: [] });
  });

  for (const [name, request, fault] of [
    ["a type", { taskDefinition: 1 }, "taskDefinition: 1 is no string"],
    ["a number in quotes", { taskDefinition: "a", count: "1" }, 'count: "1" is no number'],
    ["a list", { taskDefinition: "a", tags: { key: "k" } }, 'tags: {"key":"k"} is no list'],
    ["a member that there is not", { taskDefinition: "a", startBy: "x" }, "startBy: RunTaskRequest has no such member"],
    ["one within", { taskDefinition: "a", tags: [{ Key: "k" }] }, "tags[0].Key: Tag has no such member"],
    ["what is required", { count: 1 }, "taskDefinition: is required"],
    ["an enumeration", { taskDefinition: "a", launchType: "LAMBDA" }, /^launchType: "LAMBDA" is none of .*FARGATE/],
    ["null", { taskDefinition: "a", cluster: null }, "cluster: null is no string"],
  ] as const)
    it(`finds a fault in ${name}`, () => {
      const [found, ...more] = faultsOf(RunTaskRequest$, request);
      assert.deepEqual(more, []);
      if (typeof fault === "string") assert.equal(found, fault);
      else assert.match(found ?? "", fault);
    });

  it("looks into containers", () => {
    const container = {
      name: "a",
      dependsOn: [{ containerName: "b", condition: "READY" }],
      environment: [{ name: "x", value: 1 }],
    };
    assert.deepEqual(faultsOf(RegisterTaskDefinitionRequest$, { family: "f", containerDefinitions: [container] }), [
      'containerDefinitions[0].dependsOn[0].condition: "READY" is none of COMPLETE, HEALTHY, START, SUCCESS',
      "containerDefinitions[0].environment[0].value: 1 is no string",
    ]);
  });

  it("makes times of numbers and back", () => {
    const { value } = convert(GetMetricDataInput$, { MetricDataQueries: [], StartTime: 1, EndTime: 2 }, "fromWire");
    assert.deepEqual(value, { MetricDataQueries: [], StartTime: new Date(1000), EndTime: new Date(2000) });
    const answer = convert(MetricDataResult$, { Timestamps: [new Date(1500)], Label: undefined }, "toWire");
    assert.deepEqual(answer, { value: { Timestamps: [1.5] }, faults: [] });
  });
});
