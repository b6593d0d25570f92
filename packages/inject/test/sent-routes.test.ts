import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Churn, withdrawals } from "../src/sent-routes.ts";
import { syntheticTable } from "../src/synthetic.ts";
import { apply, EXTERNAL, tableOf } from "./routes-of.ts";

const FORMS = fc.record({
  fourOctetAs: fc.boolean(),
  internal: fc.boolean(),
  octetsMax: fc.constantFrom(4096, 65535),
});

function batches(form = EXTERNAL, prefixes = 200) {
  return [...syntheticTable({ prefixes, seed: 6, families: 3 }, form)];
}

describe("what has been sent", () => {
  test("is withdrawn to the last route", async () => {
    await fc.assert(
      fc.asyncProperty(FORMS, async (changes) => {
        const form = { ...EXTERNAL, ...changes };
        const sent = batches(form);
        const table = await tableOf(sent, form);
        expect(table.size).toBe(200);
        for await (const { octets } of withdrawals(sent, form)) apply(octets, form, table);
        expect(table.size).toBe(0);
      }),
      { numRuns: 10 },
    );
  });

  test("is withdrawn in few messages", async () => {
    let messages = 0;
    for await (const batch of withdrawals(batches(EXTERNAL, 2000), EXTERNAL)) {
      messages += batch.messages;
    }
    expect(messages).toBeLessThan(10);
  });
});

describe("churn", () => {
  function churn(seed: number, downMax: number, form = EXTERNAL): Churn {
    const made = new Churn(form, seed, downMax);
    for (const batch of batches(form)) made.add(batch);
    return made;
  }

  test("is the same for the same seed", () => {
    const messages = (seed: number) => {
      const made = churn(seed, 10);
      return Array.from({ length: 100 }, () => Buffer.from(made.next().octets).toString("hex"));
    };
    expect(messages(1)).toEqual(messages(1));
    expect(messages(1)).not.toEqual(messages(2));
  });

  test("withdraws routes and announces them again as they were", async () => {
    await fc.assert(
      fc.asyncProperty(FORMS, fc.integer({ min: 1, max: 300 }), async (changes, downMax) => {
        const form = { ...EXTERNAL, ...changes };
        const whole = await tableOf(batches(form), form);
        const table = new Map(whole);
        const made = churn(3, downMax, form);
        expect(made.size).toBe(200);
        let least = table.size;
        for (let i = 0; i < 700; i++) {
          apply(made.next().octets, form, table);
          least = Math.min(least, table.size);
        }
        expect(least).toBe(200 - Math.min(downMax, 200));
        for (const [prefix, attributes] of table) expect(attributes).toEqual(whole.get(prefix));
      }),
      { numRuns: 10 },
    );
  });
});
