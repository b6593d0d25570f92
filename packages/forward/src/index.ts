/**
 * Routes of a followed table in a Linux kernel.
 *
 *     kernel-route.ts     routes as the kernel's messages have them
 *     route-socket.ts     asking it, telling it, and hearing of what others do
 *     next-hop-object.ts  next hops that are objects of their own, and groups of them
 *     next-hop-groups.ts  which of those there are, whose they are, and what is to be done for a group
 *     kernel-objects.ts   does that
 *     group-plan.ts       which next hops have a group, and where it is to lead
 *     ways.ts             what routes lead by: a group, or next hops of their own
 *     resolver.ts         next hops to neighbors on interfaces
 *     route-table.ts      what should be there, what is, and what differs
 *     route-changes.ts    what is to be done for that
 *     other-routes.ts     those of others, by which they resolve
 *     watched-addresses.ts  next hops that routes of the table lead to
 *     work-share.ts       what grows with the routes takes a tenth of the time
 *     forwarder.ts        does it
 *     doctor.ts           whether the host lets it
 *     netlink-processes.ts  who else changes routes
 *
 * Only routes of protocol `bgp`, of one table and one metric, are ever changed.
 */

export {
  diagnoseForward,
  type FamilyProbes,
  type ForwardPlace,
  type ForwardProbes,
  probeForward,
} from "./doctor.ts";
export { FAMILY_NAMES, Forwarder, type ForwarderOptions, type ShownFamily } from "./forwarder.ts";
export type { Objects } from "./group-plan.ts";
export {
  type Change,
  type KernelHop,
  type KernelRoute,
  RouteMessages,
  RTPROT_BGP,
  readRoute,
} from "./kernel-route.ts";
export { NextHopGroups } from "./next-hop-groups.ts";
export { Resolver, type Unresolved } from "./resolver.ts";
export type { RouteChange } from "./route-changes.ts";
export { RouteMonitor, RouteSocket } from "./route-socket.ts";
export { RouteTable } from "./route-table.ts";
