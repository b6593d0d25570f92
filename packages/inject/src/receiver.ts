import type { Negotiated } from "@ts-bgp/fsm";
import { type Fault, type Section, type UpdateContext, UpdateReader } from "@ts-bgp/wire-codec";

/** Counts what the peer sends. */
export class Receiver {
  messages = 0;
  announced = 0;
  withdrawn = 0;

  private readonly reader: UpdateReader = new UpdateReader();
  private context: UpdateContext | null = null;

  /** A session begins. */
  begin(negotiated: Negotiated, localAs: number): void {
    this.context = {
      fourOctetAs: negotiated.fourOctetAs,
      external: negotiated.peerAs !== localAs,
      addPath: negotiated.addPathReceive,
      families: negotiated.families,
      allowAsSet: true,
      allowConfed: true,
      aigp: false,
      extendedNextHop: negotiated.extendedNextHop,
      rpkiState: false,
    };
  }

  /**
   * Takes an UPDATE of the session.
   *
   * @returns the fault when it resets the session, null otherwise
   */
  update(buf: Uint8Array, at: number, end: number): Fault | null {
    const { reader, context } = this;
    this.messages++;
    if (context === null) return null;
    reader.read(buf, at, end, context);
    const reset = reader.faults.find(({ action }) => action === "session-reset");
    if (reset !== undefined) return reset;
    this.announced += countRoutes(buf, reader.announced) + countRoutes(buf, reader.reachable);
    this.withdrawn += countRoutes(buf, reader.withdrawn) + countRoutes(buf, reader.unreachable);
    return null;
  }
}

function countRoutes(buf: Uint8Array, { family, at, end, addPath }: Section): number {
  if (family === 0) return 0;
  const lengthAt = addPath ? 4 : 0;
  let count = 0;
  for (let i = at; i < end; count++) i += lengthAt + 1 + ((buf[i + lengthAt]! + 7) >> 3);
  return count;
}
