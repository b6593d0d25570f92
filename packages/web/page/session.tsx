/** A session: what was agreed on, how much was said, and how it has gone. */

import type { JSX } from "preact";
import type { NeighborDetail } from "./api.ts";
import { count, duration, familyName, octets } from "./format.ts";
import { Ago, Facts, Nothing, Num, Panel } from "./ui.tsx";

interface Shown {
  readonly neighbor: NeighborDetail;
}

export function Session({ neighbor }: Shown): JSX.Element {
  return (
    <div class="panels">
      <Agreed neighbor={neighbor} />
      <div class="column">
        <Families neighbor={neighbor} />
        <Messages neighbor={neighbor} />
      </div>
    </div>
  );
}

function Agreed({ neighbor }: Shown): JSX.Element {
  const { capabilities, last_down, last_failure } = neighbor;
  const yes = (name: string, is: boolean | undefined) => (is === true ? [name] : []);
  const can = [
    ...yes("4-octet AS", capabilities?.four_octet_as),
    ...yes("route refresh", capabilities?.route_refresh),
    ...yes("enhanced route refresh", capabilities?.enhanced_route_refresh),
    ...yes("extended messages", capabilities?.extended_message),
    ...yes("ADD-PATH in", (capabilities?.add_path_receive.length ?? 0) > 0),
    ...yes("ADD-PATH out", (capabilities?.add_path_send.length ?? 0) > 0),
  ];
  const failure = last_failure === last_down ? null : last_failure;
  return (
    <Panel title="Session">
      <Facts
        rows={[
          ["state", neighbor.state],
          ["since", <Ago key="since" atMs={neighbor.since_ms} />],
          [
            "came up",
            `${count(neighbor.established_count)} time${neighbor.established_count === 1 ? "" : "s"}`,
          ],
          ["local", `${neighbor.local_address ?? "any address"}, AS${neighbor.local_as}`],
          ["identifier", neighbor.identifier ?? "–"],
          ["hold time", neighbor.hold_time === null ? "–" : `${neighbor.hold_time} s`],
          ["capabilities", can.length === 0 ? "–" : can.join(", ")],
          [
            "roles",
            capabilities?.local_role == null
              ? "–"
              : `${capabilities.local_role}, peer ${capabilities.peer_role ?? "says none"}`,
          ],
          ["group", neighbor.group || "–"],
          ["import", neighbor.import.join(", ") || "nothing (no policy)"],
          ["export", neighbor.export.join(", ") || "nothing (no policy)"],
          [
            "last down",
            last_down === null ? (
              "never"
            ) : (
              <span key="down">
                {last_down.reason}, <Ago atMs={last_down.at_ms} /> ago
              </span>
            ),
          ],
          ...(failure === null
            ? []
            : [
                [
                  "last attempt",
                  <span key="failure">
                    {failure.reason}, <Ago atMs={failure.at_ms} /> ago
                  </span>,
                ] as const,
              ]),
        ]}
      />
    </Panel>
  );
}

function Families({ neighbor }: Shown): JSX.Element {
  return (
    <Panel title="Routes">
      <table class="small">
        <thead>
          <tr>
            <th scope="col">Family</th>
            <th scope="col" class="num">
              received
            </th>
            <th scope="col" class="num">
              accepted
            </th>
            <th scope="col" class="num">
              rejected
            </th>
            <th scope="col" class="num">
              exported
            </th>
          </tr>
        </thead>
        <tbody>
          {neighbor.families.map((family) => (
            <tr key={family.family}>
              <th scope="row">{familyName(family.family)}</th>
              <td class="num">
                <Num value={family.received} />
              </td>
              <td class="num">
                <Num value={family.accepted} />
              </td>
              <td class="num">
                <Num value={family.rejected} />
              </td>
              <td class="num">
                <Num value={family.advertised} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <Facts rows={neighbor.families.flatMap(limitOf)} />
      {neighbor.families.length === 0 ? <Nothing>No session, and no routes.</Nothing> : null}
    </Panel>
  );
}

function limitOf({ family, max_prefix: limit }: NeighborDetail["families"][number]) {
  if (limit === null) return [];
  const text = `${count(limit.count)} of ${count(limit.limit)}, then ${limit.action}`;
  return [[`limit, ${familyName(family)}`, text] as const];
}

function Messages({ neighbor }: Shown): JSX.Element {
  const { messages, octets: amount } = neighbor;
  return (
    <Panel title="Messages">
      <table class="small">
        <thead>
          <tr>
            <th scope="col">Type</th>
            <th scope="col" class="num">
              received
            </th>
            <th scope="col" class="num">
              sent
            </th>
          </tr>
        </thead>
        <tbody>
          {(["open", "update", "keepalive", "route_refresh", "notification"] as const).map(
            (type) => (
              <tr key={type}>
                <th scope="row">{type.replace("_", " ")}</th>
                <td class="num">
                  <Num value={messages.received[type]} />
                </td>
                <td class="num">
                  <Num value={messages.sent[type]} />
                </td>
              </tr>
            ),
          )}
          {amount === null ? null : (
            <tr>
              <th scope="row">octets</th>
              <td class="num">{octets(amount.received)}</td>
              <td class="num">{octets(amount.sent)}</td>
            </tr>
          )}
        </tbody>
      </table>
      <Facts
        rows={[
          ["UPDATEs with faults", <Num key="faults" value={neighbor.update_faults} />],
          ["waiting to be sent", amount === null ? "–" : octets(amount.queued)],
          [
            "restart",
            `${neighbor.graceful_restart.mode}, routes kept for ${duration(1000 * (neighbor.graceful_restart.restart_time ?? neighbor.graceful_restart.restart_time_max))}`,
          ],
        ]}
      />
    </Panel>
  );
}
