/** Caches that not everybody may talk to: by TCP MD5 (RFC 2385), and by TLS with certificates of both sides. */

import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { RtrCacheConfig } from "@ts-bgp/config";
import { descriptorOf, setMd5Key } from "@ts-bgp/takeover";
import { describe, expect, test } from "vitest";
import { until } from "../../../test/lab/until.ts";
import { type Issued, issuePair } from "../../cli/src/certificate.ts";
import { CacheConnection } from "../src/cache-connection.ts";

const WAIT_MS = 20_000;
const HOST = "127.0.0.1";
/** In certificates. */
const NAME = "rtr.example";
const RESET_QUERY = Uint8Array.of(2, 2, 0, 0, 0, 0, 0, 8);
const CACHE_RESPONSE = Uint8Array.of(2, 3, 0, 7, 0, 0, 0, 8);

/** A cache that answers the first query, and says nothing more. */
class Cache {
  readonly queries: Buffer[] = [];
  readonly server: Server;
  private readonly sockets: Socket[] = [];

  constructor(make: (serve: (socket: Socket) => void) => Server) {
    this.server = make((socket) => {
      this.sockets.push(socket);
      socket.on("error", () => {});
      socket.on("data", (octets) => {
        this.queries.push(octets);
        socket.write(CACHE_RESPONSE);
      });
    });
    this.server.on("tlsClientError", () => {});
  }

  async listen(): Promise<number> {
    this.server.listen(0, HOST);
    await until(() => this.server.listening, WAIT_MS, "the cache listens");
    return (this.server.address() as AddressInfo).port;
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy();
    this.server.close();
  }
}

/** Certificates of two sides, signed by an authority that signs no others. */
function papers(): { ca: string; sides: readonly Issued[] } {
  const { authority: ca, sides } = issuePair(NAME, ["cache", "router"], Date.now(), 1);
  return { ca, sides };
}

async function connected(
  port: number,
  config: Pick<RtrCacheConfig, "password" | "tls">,
  check: (connection: CacheConnection, said: readonly string[]) => Promise<void>,
): Promise<void> {
  const said: string[] = [];
  const all = { name: "cache", address: HOST, port, preference: 100, ...config };
  const connection = new CacheConnection(all, {
    now: () => 0,
    mayWork: () => true,
    lastEnd: () => null,
    misfit: () => null,
    payloads: () => {},
    payloadsEnd: () => {},
    say: (_, __, message) => said.push(message),
  });
  connection.tick();
  try {
    await check(connection, said);
  } finally {
    connection.stop();
  }
}

const isAnswered = async (connection: CacheConnection) => {
  await until(() => connection.show().state === "receiving", WAIT_MS, "an answer");
};

describe("a cache", () => {
  test("with TCP MD5 answers who has the secret, and nobody else", async () => {
    const cache = new Cache((serve) => createServer(serve));
    try {
      const port = await cache.listen();
      setMd5Key(descriptorOf(cache.server), HOST, "secret");
      // The kernel throws segments with another signature, or with none, away without a word.
      await connected(port, { password: "other", tls: null }, (other) =>
        connected(port, { password: null, tls: null }, (none) =>
          connected(port, { password: "secret", tls: null }, async (right) => {
            await isAnswered(right);
            expect([other, none].map((each) => each.show().state)).toEqual([
              "connecting",
              "connecting",
            ]);
          }),
        ),
      );
      expect(cache.queries).toEqual([Buffer.from(RESET_QUERY)]);
    } finally {
      cache.close();
    }
  });

  test("with TLS answers who has a certificate that it trusts, and nobody else", async () => {
    const { ca, sides } = papers();
    const [own, router] = sides as [Issued, Issued];
    const cache = new Cache((serve) =>
      createTlsServer(
        { cert: own.certificate, key: own.key, ca, requestCert: true, rejectUnauthorized: true },
        serve,
      ),
    );
    const [stranger] = papers().sides as [Issued];
    const serverName = NAME;
    try {
      const port = await cache.listen();
      const tls = { ca, cert: router.certificate, key: router.key, serverName };
      await connected(port, { password: null, tls }, isAnswered);
      for (const wrong of [
        { ...tls, cert: null, key: null },
        { ...tls, cert: stranger.certificate, key: stranger.key },
      ]) {
        await connected(port, { password: null, tls: wrong }, async (connection, said) => {
          await until(() => said.length > 0, WAIT_MS, "it is turned away");
          expect(connection.show().state).toBe("idle");
        });
      }
      expect(cache.queries.length).toBe(1);
    } finally {
      cache.close();
    }
  });
});
