// Parameters are put together again, and what does not fit together or is not in the SDK's models is told.
import assert from "node:assert/strict";
import { test } from "node:test";
import { answerFaults, checkedParameters } from "./model-check.ts";
import { nestedParameters } from "./rpc-parameters.ts";

const nested = (...sources: string[]) => nestedParameters(sources.map((source) => new URLSearchParams(source)));

test("names with dots become objects, numbers from 1 lists", () => {
  const query = "Container.2.Name=b&Container.1.Name=a&Container.1.Command.1=x&Container.1.Command.2=y&Cpu=0.25";
  assert.deepEqual(nested(query, "DnsConfig.NameServer.1=10.0.0.10"), {
    value: {
      Container: [{ Name: "a", Command: ["x", "y"] }, { Name: "b" }],
      Cpu: "0.25",
      DnsConfig: { NameServer: ["10.0.0.10"] },
    },
    faults: [],
  });
});

test("what is there twice, missing in between, or both a text and more is told", () => {
  assert.deepEqual(nested("A=1", "A=2").faults, ["A is there twice"]);
  assert.deepEqual(nested("L.1=a&L.3=c").faults, ["L has 2 items, but L.2 is missing"]);
  assert.deepEqual(nested("A=1&A.B=2").faults, ["A is both a text and more"]);
});

test("parameters get the types of the SDK's models; what these do not know is told with its place, not its value", () => {
  const query = "Cpu=0.25&DryRun=True&Container.1.Tty=false&Container.1.Port.1.Port=80&Container.1.Name=a";
  const good = checkedParameters(nested(query).value, "CreateContainerGroupRequest");
  assert.deepEqual(good, {
    value: { Cpu: 0.25, DryRun: true, Container: [{ Tty: false, Port: [{ Port: 80 }], Name: "a" }] },
    faults: [],
  });
  const secret = "s3cret-".repeat(4);
  const bad = nested(`Cpu=many&Container.1.EnvironmentVar.1.Secret=${secret}&Container.1.Tty=${secret}&Volume=x`);
  assert.deepEqual(checkedParameters(bad.value, "CreateContainerGroupRequest").faults, [
    'Cpu: "many" is not a number',
    "Container.1.EnvironmentVar.1.Secret: CreateContainerGroupRequestContainerEnvironmentVar has no Secret",
    "Container.1.Tty: a text of 28 characters is not true or false",
    'Volume: "x" is not a list',
  ]);
});

test("answers are held to the models, too", () => {
  const answer = {
    RequestId: "r",
    ContainerGroups: [{ ContainerGroupId: 1, Colour: "red", Containers: [{ Ready: true }] }],
  };
  assert.deepEqual(answerFaults(answer, "DescribeContainerGroupsResponseBody"), [
    "ContainerGroups.1.ContainerGroupId: number is not a text",
    "ContainerGroups.1.Colour: DescribeContainerGroupsResponseBodyContainerGroups has no Colour",
  ]);
});
