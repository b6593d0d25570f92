/** The section webhook. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import schema from "../schema/ts-bgp.schema.json" with { type: "json" };
import { formatMistakes, loadConfig } from "../src/index.ts";
import { WEBHOOK_EVENTS } from "../src/webhook-types.ts";

const DOCS = readFileSync(join(import.meta.dirname, "../../../docs/webhook.md"), "utf8");
const FILES: Readonly<Record<string, string>> = { short: "0123456789\n" };
const load = (webhook: string) =>
  loadConfig("x.yaml", `router: { as: 64500, id: 192.0.2.1 }\n${webhook}`, {
    readFile: (path) => FILES[path] ?? "0123456789abcdef\n",
    env: () => undefined,
  });

const URLS = "https://alerts.example.net/ts-bgp, without user and password";

test.each<[string, string, string[]]>([
  [
    "a scheme that is none",
    "url: ftp://192.0.2.1/",
    [`x.yaml:2:17: "url" must be a URL such as ${URLS}, not "ftp://192.0.2.1/"`],
  ],
  [
    "a user",
    "url: https://me:it@192.0.2.1/",
    [`x.yaml:2:17: "url" must be a URL such as ${URLS}, not "https://me:it@192.0.2.1/"`],
  ],
  [
    "a port that is none",
    'url: "http://192.0.2.1:99999/"',
    ['x.yaml:2:17: "http://192.0.2.1:99999/" is no URL such as https://alerts.example.net/ts-bgp'],
  ],
  [
    "a short secret",
    "url: http://192.0.2.1, secret: { file: short }",
    ["x.yaml:2:43: the secret has 10 characters; it needs at least 16"],
  ],
])("%s is a mistake", (_, webhook, mistakes) => {
  expect(formatMistakes(load(`webhook: { ${webhook} }`).mistakes)).toEqual(mistakes);
});

test("an event that nobody tells is a mistake, which names those that there are", () => {
  const { mistakes } = load("webhook: { url: http://192.0.2.1, events: [ session-updown ] }");
  const [text = ""] = formatMistakes(mistakes);
  for (const event of WEBHOOK_EVENTS) expect(text).toContain(event);
});

test("the schema has the events that there are", () => {
  expect(schema.properties.webhook.properties.events.items.enum).toEqual([...WEBHOOK_EVENTS]);
});

describe("docs/webhook.md", () => {
  test("has an example that is right", () => {
    const examples = [...DOCS.matchAll(/```yaml\n([\s\S]*?)```/g)].map(([, text = ""]) => text);
    expect(examples).toHaveLength(1);
    expect(formatMistakes(load(examples[0]!).mistakes)).toEqual([]);
  });

  test("names each event", () => {
    for (const event of WEBHOOK_EVENTS) expect(DOCS).toContain(`\`${event}\``);
  });
});
