/** Feeds and followers as metrics; none without any. */

import type { Feeds, ShownStation } from "@ts-bgp/feeds";
import type { ShownFollower, ShownFollowers } from "./follower-orders.ts";
import { counter, gauge, type MetricRecord } from "./metric-parts.ts";

export function feedMetrics({ stations, mrt }: Feeds, followed: ShownFollowers): MetricRecord[] {
  const perStation = (read: (station: ShownStation) => number) =>
    stations.map((station) => ({ value: read(station), labels: { station: station.name } }));
  const ofStations = [
    gauge(
      "tsbgp_bmp_station_up",
      "1 when the BMP station is connected",
      perStation(({ state }) => Number(state === "up")),
    ),
    gauge(
      "tsbgp_bmp_station_complete",
      "1 when the BMP station has been told all that there is",
      perStation(({ isComplete }) => Number(isComplete)),
    ),
    gauge(
      "tsbgp_bmp_station_queued_bytes",
      "Octets that wait for the BMP station",
      perStation(({ queuedOctets }) => queuedOctets),
    ),
    gauge(
      "tsbgp_bmp_station_held_bytes",
      "Memory that what waits for the BMP station takes",
      perStation(({ heldOctets }) => heldOctets),
    ),
    counter(
      "tsbgp_bmp_station_messages",
      "BMP messages for the station",
      perStation(({ messages }) => messages),
    ),
    counter(
      "tsbgp_bmp_station_missed",
      "Sessions with the BMP station that were ended since it was too slow",
      perStation(({ missed }) => missed),
    ),
  ];
  const ofFiles =
    mrt === null
      ? []
      : [
          gauge("tsbgp_mrt_ok", "1 when MRT files can be written", Number(mrt.problem === null)),
          counter("tsbgp_mrt_files", "MRT files completed", mrt.files),
          counter("tsbgp_mrt_messages", "Messages for MRT files", mrt.messages),
          counter("tsbgp_mrt_missed", "Messages that MRT files lack", mrt.missed),
        ];
  return [
    ...(stations.length === 0 ? [] : ofStations),
    ...ofFiles,
    ...(followed.followers.length === 0 ? [] : followerMetrics(followed.followers)),
  ];
}

function followerMetrics(followers: readonly ShownFollower[]): MetricRecord[] {
  // Two of one host have one name.
  const byName = (read: (follower: ShownFollower) => number) =>
    [...Map.groupBy(followers, ({ name }) => name)].map(([follower, all]) => ({
      value: Math.max(...all.map(read)),
      labels: { follower },
    }));
  return [
    gauge("tsbgp_followers", "Processes that follow the routes that are used", followers.length),
    gauge(
      "tsbgp_follower_lag",
      "Changes that the follower has not been told",
      byName(({ lag }) => lag),
    ),
  ];
}
