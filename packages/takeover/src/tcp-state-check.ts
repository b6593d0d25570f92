/** Whether a value that came as JSON from another process describes a TCP connection. */

import type { TcpState } from "./tcp-state.ts";

const isText = (value: unknown): boolean => typeof value === "string";
const isNumber = (value: unknown): boolean => Number.isFinite(value);

const FIELDS: Readonly<Record<keyof TcpState, (value: unknown) => boolean>> = {
  ...{ localAddress: isText, localPort: isNumber, remoteAddress: isText, remotePort: isNumber },
  ...{ sendSequence: isNumber, receiveSequence: isNumber, segmentOctetsMax: isNumber },
  windowScale: (value) => value === null || areShifts(value),
  selectiveAcks: (value) => typeof value === "boolean",
  timestamp: (value) => value === null || isNumber(value),
  ...{ sendWindow: isNumber, sendWindowMax: isNumber, receiveWindow: isNumber },
  ...{ roundTripUs: isNumber, takenAtMs: isNumber },
};

export function isTcpState(value: unknown): value is TcpState {
  if (typeof value !== "object" || value === null) return false;
  const fields = value as Readonly<Record<string, unknown>>;
  return Object.entries(FIELDS).every(([name, isRight]) => isRight(fields[name]));
}

function areShifts(value: unknown): boolean {
  if (typeof value !== "object") return false;
  const { send, receive } = value as Readonly<Record<string, unknown>>;
  return isNumber(send) && isNumber(receive);
}
