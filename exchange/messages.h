// What clients.c knows of BGP messages (RFC 4271 section 4), and of what it compares of a route.
#include <stdint.h>
#include <string.h>

enum { OPEN = 1, UPDATE, NOTIFICATION, KEEPALIVE, ROUTE_REFRESH };
enum { HEADER = 19, MESSAGE_MAX = 4096 };
enum { PREFIXES_PER_UPDATE = 4 };  // of a table: about what real ones have
#define FIRST_PREFIX 0x10000000u   // 16.0.0.0

static unsigned get16(const uint8_t *p) { return p[0] << 8 | p[1]; }
static void put16(uint8_t *p, unsigned v) { p[0] = v >> 8, p[1] = v; }
static void put32(uint8_t *p, uint32_t v) { put16(p, v >> 16), put16(p + 2, v & 0xffff); }

static unsigned attribute_head(const uint8_t *a) { return a[0] & 0x10 ? 4 : 3; }
static unsigned attribute_len(const uint8_t *a) { return a[0] & 0x10 ? get16(a + 2) : a[2]; }

// Whether the attributes end where they should, so that they can be walked.
static int is_whole(const uint8_t *a, const uint8_t *end) {
  while (a < end) {
    if (end - a < 4) return end - a == 3 && !(a[0] & 0x10) && a[2] == 0;
    a += attribute_head(a) + attribute_len(a);
  }
  return a == end;
}

// Never 0. The order of attributes says nothing (RFC 4271 section 5), and another version may have another.
static uint32_t hash_of(const uint8_t *a, const uint8_t *end) {
  uint32_t sum = 0;
  while (a < end) {
    unsigned head = attribute_head(a), len = attribute_len(a);
    uint32_t h = (2166136261u ^ a[1]) * 16777619u;
    for (unsigned k = 0; k < len; k++) h = (h ^ a[head + k]) * 16777619u;
    // Attributes that change together must not make up for each other in the sum.
    h = (h ^ h >> 16) * 0x85ebca6bu;
    h = (h ^ h >> 13) * 0xc2b2ae35u;
    sum += h ^ h >> 16;
    a += head + len;
  }
  return sum ? sum : 1;
}

// ORIGIN, AS_PATH, NEXT_HOP, MED and COMMUNITIES; the MED is what differs from one version to the next.
static unsigned attributes(uint8_t *a, int client, uint32_t as, uint32_t address, long route, uint32_t med) {
  uint8_t *p = a;
  uint32_t x = client * 7919u + route / PREFIXES_PER_UPDATE * 104729u;
  int hops = 1 + (x >> 3) % 4;
  memcpy(p, (uint8_t[]){0x40, 1, 1, 0}, 4), p += 4;
  memcpy(p, (uint8_t[]){0x40, 2, 6 + 4 * hops, 2, 1 + hops}, 5), p += 5;
  put32(p, as), p += 4;
  for (int hop = 0; hop < hops; hop++) put32(p, 1000000 + x * (hop + 3) % 60000), p += 4;
  memcpy(p, (uint8_t[]){0x40, 3, 4}, 3), put32(p + 3, address), p += 7;
  memcpy(p, (uint8_t[]){0x80, 4, 4}, 3), put32(p + 3, med), p += 7;
  memcpy(p, (uint8_t[]){0xc0, 8, 8}, 3), p += 3;
  put32(p, 0x30000000 | (x & 0xffff)), put32(p + 4, 0x31000000 | (route & 0xffff)), p += 8;
  return p - a;
}

// The prefix with that number, of all that there are.
static uint8_t *put_prefix(uint8_t *p, long id) {
  uint32_t address = FIRST_PREFIX + id * 256;
  p[0] = 24, p[1] = address >> 24, p[2] = address >> 16, p[3] = address >> 8;
  return p + 4;
}
