/** One vector through the codec, and where the result is not what its source expects. */

import type { Expectation, Vector } from "../../../../testkit/corpus.ts";
import {
  type DecodedMessage,
  type DecodeOptions,
  decodeAttributes,
  decodeMessages,
  parseHex,
  UpdateReader,
  writeU16,
} from "../../src/index.ts";
import { differences, type Facts, factsOf } from "./facts.ts";
import {
  bgpdumpFacts,
  exabgpCommandFacts,
  exabgpFacts,
  frrAsPathFacts,
  gobgpFacts,
  goLiteralFacts,
  sortedSets,
  tsharkJsonFacts,
  tsharkOracleFacts,
} from "./sources.ts";

/**
 * 10.1.0.0/24, put behind FRR's fragments of attributes: a message with no route to withdraw would
 * reset the session for any fault (RFC 7606 section 5.2), which is not what FRR tests.
 */
const ROUTE = "180a0100";

const READER = new UpdateReader();

/** @returns one text per difference, none when codec and source agree */
export function disagreements(vector: Vector): string[] {
  const expectation = vector.expected ?? vector.expected_error!;
  const fragment = vector.id.startsWith("frr-aspath-attr-");
  const octets = parseHex(vector.message_hex + (fragment ? ROUTE : ""))!;
  if (fragment) writeU16(octets, 16, octets.length);
  const options = optionsFor(vector, octets);
  const messages = decodeMessages(octets, options);
  const message = messages.find(({ error }) => error) ?? messages[0]!;
  return compare(vector, expectation, message, octets, options);
}

/** The session of the vector; where it does not say, AS numbers are as wide as they make sense. */
function optionsFor(vector: Vector, octets: Uint8Array): DecodeOptions {
  const external = vector.session === undefined ? null : vector.session === "ebgp";
  const options = { fourOctetAs: true, addPath: vector.add_path, external };
  if (vector.four_octet_as !== null) return { ...options, fourOctetAs: vector.four_octet_as };
  const wrong = (fourOctetAs: boolean) =>
    decodeMessages(octets, { ...options, fourOctetAs, allowAsSet: true, allowConfed: true }).some(
      ({ error }) => error?.attribute === 2 || error?.attribute === 7,
    );
  return { ...options, fourOctetAs: !wrong(true) || wrong(false) };
}

function compare(
  vector: Vector,
  expectation: Expectation,
  message: DecodedMessage,
  octets: Uint8Array,
  options: DecodeOptions,
): string[] {
  const facts = factsOf(message);
  switch (expectation["format"]) {
    case "exabgp-json":
      return differences(facts, exabgpFacts(expectation));
    case "exabgp-command":
      return differences(facts, exabgpCommandFacts(expectation));
    case "bgpdump-m":
      return differences(routeFacts(message, octets, options), bgpdumpFacts(expectation));
    case "tshark-json":
      return differences(facts, tsharkJsonFacts(expectation));
    case "frr-aspath": {
      const { asPath = "" } = routeFacts(message, octets, options);
      return differences({ asPath: sortedSets(asPath) }, frrAsPathFacts(expectation));
    }
    case "go-literal":
      return differences(facts, goLiteralFacts(expectation));
    case "rfc7606-outcome":
      return outcome(message, expectation["handling"], octets, options, expectation["attr_type"]);
    case "frr-bgp_attr_parse":
    case "frr-attribute-parse":
      return verdict(message, FRR_RESULTS[expectation["result"]]!);
    case "frr-capability-parse":
      return verdict(message, FRR_RESULTS[expectation["result"]]!);
    case "bio-rd-test":
      return verdict(message, expectation["wantFail"] ? FAULTY : ACCEPTED);
    case "must-fail":
    case "fuzz-regression":
      return verdict(message, FAULTY);
    default:
      return oracleDifferences(vector, facts);
  }
}

const ACCEPTED = ["none", "attribute-discard"];
const FAULTY = ["attribute-discard", "treat-as-withdraw", "session-reset"];

/** Verdicts that a parser's result allows. */
const FRR_RESULTS: Record<string, string[]> = {
  proceed: ACCEPTED,
  "treat-as-withdraw": ["treat-as-withdraw"],
  error: ["session-reset"],
};

function verdict(message: DecodedMessage, allowed: string[]): string[] {
  const action = message.error?.action ?? "none";
  if (allowed.includes(action)) return [];
  return [`verdict: ours ${action} (${message.error?.reason}), theirs ${allowed.join(" or ")}`];
}

/** A discarded attribute must be gone from the route, with a fault or quietly. */
function outcome(
  message: DecodedMessage,
  handling: string,
  octets: Uint8Array,
  options: DecodeOptions,
  type: number | null,
): string[] {
  if (handling.includes("never session-reset")) return verdict(message, ACCEPTED);
  if (handling !== "attribute-discard") return verdict(message, [handling]);
  const wrong = verdict(message, ACCEPTED);
  const left = routeAttributes(octets, options).some((attribute) => attribute.type === type);
  return left ? [...wrong, `discard: ours keeps attribute ${type}`] : wrong;
}

/** Facts with the attributes that the routes end up with, whatever the verdict. */
function routeFacts(message: DecodedMessage, octets: Uint8Array, options: DecodeOptions): Facts {
  return factsOf(message, routeAttributes(octets, options));
}

function routeAttributes(octets: Uint8Array, options: DecodeOptions) {
  READER.read(octets, 0, octets.length, {
    fourOctetAs: options.fourOctetAs,
    external: options.external ?? false,
    addPath: options.addPath ? 3 : 0,
    families: 3,
    allowAsSet: true,
    allowConfed: true,
    aigp: true,
    extendedNextHop: 3,
    rpkiState: false,
  });
  const field = READER.announced.at !== READER.announced.end;
  if (!field && READER.reachable.at === READER.reachable.end) return [];
  READER.canonical(field ? "field" : "mp");
  return decodeAttributes(READER.attrs, READER.attrsAt, READER.attrsEnd);
}

/** Where nothing is expected of a message, two programs must not know better. */
function oracleDifferences(vector: Vector, facts: Facts): string[] {
  const tshark = vector.oracles["tshark-4.0.17"];
  const gobgp = vector.oracles["gobgp-3.10"];
  const found: string[] = [];
  // A dissector shows what it can of a message that others refuse.
  const refused = gobgp?.["error"] !== undefined || tshark?.["malformed"] !== false;
  if (tshark !== undefined && !refused && vector.kind === "update") {
    found.push(...differences(facts, tsharkOracleFacts(tshark)).map((text) => `tshark ${text}`));
  }
  if (gobgp !== undefined) {
    found.push(...differences(facts, gobgpFacts(gobgp, vector)).map((text) => `gobgp ${text}`));
  }
  return found;
}
