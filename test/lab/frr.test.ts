import { frr } from "./frr.ts";
import { testInterop } from "./interop.ts";

testInterop(frr, ["route-server-client", "ebgp-peer", "ibgp-peer"]);
