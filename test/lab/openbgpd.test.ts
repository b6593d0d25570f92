import { testInterop } from "./interop.ts";
import { openbgpd } from "./openbgpd.ts";

testInterop(openbgpd, ["route-server-client", "ebgp-peer"]);
