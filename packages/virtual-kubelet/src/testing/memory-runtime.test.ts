// The runtime in memory, on which the engine's tests stand, keeps the contract that real ones keep.
import { systemClock } from "../clock.ts";
import { MemoryRuntime } from "./memory-runtime.ts";
import { runtimeConformance } from "./runtime-conformance.ts";

const runtime = new MemoryRuntime({
  clock: systemClock,
  script: ({ command }) => {
    const [word = "", code = "0"] = command ?? [];
    if (word === "end") return { exitAfterMs: 20, exitCode: Number(code) };
    return word === "stubborn" ? { termMs: Number.POSITIVE_INFINITY } : {};
  },
});

runtimeConformance("the runtime in memory", {
  create: async () => runtime,
  running: { image: "any", command: ["run"] },
  ending: (exitCode) => ({ image: "any", command: ["end", String(exitCode)] }),
  stubborn: { image: "any", command: ["stubborn"] },
  outlives: true,
});
