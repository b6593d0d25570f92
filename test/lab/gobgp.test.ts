import { gobgp } from "./gobgp.ts";
import { testInterop } from "./interop.ts";

testInterop(gobgp, ["route-server-client", "ebgp-peer"]);
