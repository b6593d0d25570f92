/** Run before every test file. */
import fc from "fast-check";
import { endWithThisProcess } from "./watchdog.ts";

endWithThisProcess();

// The same tree gives the same result; other examples are looked for by whoever asks for it.
const { TSBGP_SEED = "1" } = process.env;
if (TSBGP_SEED !== "random") fc.configureGlobal({ seed: Number(TSBGP_SEED) });
