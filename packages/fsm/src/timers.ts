/** How long each timer runs. Jitter is a number in [0, 1) that the caller draws. */

import type { FsmConfig } from "./types.ts";

/** Hold timer until the hold time is negotiated (RFC 4271 section 8.2.2, "a large value"). */
export const OPEN_HOLD_MS = 240_000;

/**
 * Times that operators of route servers know from other daemons.
 *
 * The hold time and the connect retry time are those that RFC 4271 section 10 suggests; the latter
 * is also what BIRD, FRR, GoBGP and OpenBGPD use. The waits in Idle are shorter than BIRD's (60 to
 * 300 seconds): a client that was restarted should be back in seconds, and doubling keeps one that
 * fails every time from being a burden.
 */
export const FSM_DEFAULTS = {
  holdTimeSeconds: 90,
  holdTimeMinSeconds: 0,
  connectRetrySeconds: 120,
  delayOpenSeconds: 0,
  idleHoldSeconds: 1,
  idleHoldSecondsMax: 60,
  idleHoldResetSeconds: 300,
} as const;

/** Shortens a time by up to a quarter (RFC 4271 section 10). */
export function jittered(ms: number, jitter: number): number {
  return Math.round(ms * (0.75 + 0.25 * jitter));
}

/** Wait in Idle after `failures` failures in a row, 1 or more. */
export function idleHoldMs(config: FsmConfig, failures: number, jitter: number): number {
  const doubled = config.idleHoldSeconds * 2 ** (failures - 1);
  const seconds = Math.min(doubled, config.idleHoldSecondsMax);
  return jittered(1000 * seconds, jitter);
}

/**
 * Time to the next KEEPALIVE. Never under a second: messages that close together are forbidden
 * (RFC 4271 section 4.4), and jitter on a hold time of 3 seconds would get there.
 */
export function keepaliveMs(keepaliveSeconds: number, jitter: number): number {
  return Math.max(1000, jittered(1000 * keepaliveSeconds, jitter));
}

/** How long nothing may go out (RFC 9687 section 6). */
export function sendHoldMs(holdTimeSeconds: number): number {
  return Math.max(480_000, 2000 * holdTimeSeconds);
}
