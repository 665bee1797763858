// Loaded into the processes of test files with properties: their examples come from FC_SEED, so that one state of the sources is
// tested by the same ones everywhere, and the next by others. A failure tells its seed: with FC_SEED it comes again.
import fc from "fast-check";

const seed = Number.parseInt(process.env["FC_SEED"] ?? "", 10);
if (!Number.isNaN(seed)) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed });
