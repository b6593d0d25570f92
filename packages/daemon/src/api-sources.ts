/** What the API over HTTP asks of the main thread. */

import type { HttpConfig } from "@ts-bgp/config";
import type { ShownNsr } from "@ts-bgp/nsr";
import type { Router } from "@ts-bgp/router";
import type { ControlHandler } from "./control.ts";
import { LOOKED_FOR, watchEvents } from "./events.ts";
import type { HttpSources } from "./http.ts";
import type { Log } from "./logging.ts";

/** @returns what is said of the speaker's health */
export function healthOf({ role, ready }: ShownNsr, { neighbors }: Router, config_ok: boolean) {
  return { ok: true, role, ready, neighbors: neighbors.size, config_ok };
}

/** @param access - who may ask what */
export function apiSources(
  access: HttpConfig,
  ask: ControlHandler,
  log: Log,
  router: () => Router,
  showNsr: () => ShownNsr,
): HttpSources["api"] {
  return {
    access,
    ask,
    router,
    ordered: (by, { command, neighbor }) => {
      const whom = typeof neighbor === "string" ? ` ${neighbor}` : "";
      log.say("info", "api-order", `${by} orders: ${command}${whom}`, { token: by });
    },
    activeSide: () => showNsr().peer.side || null,
    watch: (heard) => watchEvents(log, router, LOOKED_FOR, heard),
  };
}
