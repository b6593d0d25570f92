import { bird } from "./bird.ts";
import { testInterop } from "./interop.ts";

testInterop(bird, ["route-server-client", "ebgp-peer", "ibgp-peer"]);
