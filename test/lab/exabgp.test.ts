import { exabgp } from "./exabgp.ts";
import { testInterop } from "./interop.ts";

testInterop(exabgp, ["route-server-client", "ebgp-peer"]);
