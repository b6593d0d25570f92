// clients: hundreds of BGP clients of one route server, in one thread, as its clients see it.
//
//   clients REMOTE LOCAL COUNT ROUTES [hold=90] [as=4200100000] [seed=1]
//
// Client i has address LOCAL + i and AS as + i, and announces ROUTES prefixes of its own, each a /24.
// What was announced last is kept as a hash of the attributes of each prefix; every client keeps the
// same of what it was told, so that the two can be compared, route by route. The hash has 32 bits: with
// 16, one in 65,536 updates would seem to be the same as what it replaces.
//
// A client whose connection ends connects again after about a second, and announces its table again.
//
// Commands on stdin, one a line, and the events they are answered with, one JSON object a line:
//   connect             open every session; a lost one is opened again from now on
//   announce            everybody announces all of its prefixes with other attributes, as fast as it can
//   told COUNT          "told" once so many routes were received since the last "announce"
//   churn RATE          so many single routes a second change, one in eight is withdrawn; 0 stops
//   mark SECONDS        "mark": silences are measured from now on, for so long
//   silence             "silence": the longest of each client
//   stat                "stat": counters of all clients together
//   check               "check": every client's table compared with what was sent last
//   quit
// Without being asked: "ready" at the start, "closed" for a session that ended. Times are seconds of the
// wall clock; those of received octets are the kernel's (SO_TIMESTAMPNS).
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include "messages.h"

enum state { IDLE, CONNECTING, OPENSENT, OPENCONFIRM, UP };
enum {
  RECEIVED_MAX = 256 << 10,
  RECEIVE_BUFFER = 256 << 10,  // of the kernel, per connection
  WAITING_MAX = 32 << 10,    // octets that wait to be sent while a table is being announced
  WITHDRAWN_ONE_IN = 8,
  CHURN_PER_TURN_MAX = 4000,
};
#define RETRY_SECONDS 1.0

struct client {
  int i, fd;
  enum state state;
  uint32_t events;  // asked of epoll; 0 before the descriptor is in it
  double retry_at, keepalive_at, heard_at;
  // to be sent
  uint8_t *out;
  size_t out_len, out_sent, out_cap;
  long next_route;  // of a table that is being announced, -1 for none
  int has_announced;
  // received
  uint8_t *in;
  size_t in_len;
  uint32_t *told;  // a hash for each route of all clients, 0 for none
  long held, live;  // routes it holds; routes it announces
  // silence
  double last_at, longest, longest_at;
};

static struct client *clients;
static int count, epoll, hold = 90;
static long routes, total, live;
static uint32_t *sent;  // as `told`, of what was announced last
static uint32_t first_as = 4200100000u, version = 1;
static struct sockaddr_in remote, local;
static double now, mark_at, mark_until, turn_longest;
static double churn_rate, churn_from;
static long churned, told_since, told_goal;
static int wants_connections;
static uint64_t random_state = 88172645463325252ull;
static long updates, duplicates, malformed, opens, notifications, fins, resets, closed, expired;

static double wall(void) {
  struct timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  return t.tv_sec + t.tv_nsec * 1e-9;
}
static uint32_t chance(void) {
  random_state ^= random_state << 13, random_state ^= random_state >> 7, random_state ^= random_state << 17;
  return random_state >> 16;
}
static void die(const char *what) { perror(what); exit(1); }

// ---- what is announced ---------------------------------------------------------------

static uint8_t *room(struct client *c, size_t n) {
  if (c->out_sent) {
    memmove(c->out, c->out + c->out_sent, c->out_len - c->out_sent);
    c->out_len -= c->out_sent, c->out_sent = 0;
  }
  while (c->out_len + n > c->out_cap) c->out = realloc(c->out, c->out_cap = c->out_cap ? c->out_cap * 2 : 8192);
  return c->out + c->out_len;
}

static void message(struct client *c, int type, const uint8_t *body, unsigned n) {
  uint8_t *m = room(c, HEADER + n);
  memset(m, 0xff, 16);
  put16(m + 16, HEADER + n);
  m[18] = type;
  memcpy(m + HEADER, body, n);
  c->out_len += HEADER + n;
}

static void set_sent(long id, uint32_t hash) {
  int change = (hash != 0) - (sent[id] != 0);
  live += change, clients[id / routes].live += change;
  sent[id] = hash;
}

static void announce(struct client *c, long route, int n, uint32_t med) {
  uint8_t body[512], *p;
  unsigned len = attributes(body + 4, c->i, first_as + c->i, ntohl(local.sin_addr.s_addr) + c->i, route, med);
  put16(body, 0), put16(body + 2, len);
  uint32_t hash = hash_of(body + 4, body + 4 + len);
  p = body + 4 + len;
  for (long r = route; r < route + n && r < routes; r++) {
    p = put_prefix(p, c->i * routes + r);
    set_sent(c->i * routes + r, hash);
  }
  message(c, UPDATE, body, p - body);
}

static void withdraw(struct client *c, long route) {
  uint8_t body[8] = {0, 4};
  put_prefix(body + 2, c->i * routes + route);
  set_sent(c->i * routes + route, 0);
  message(c, UPDATE, body, sizeof body);
}

// ---- sessions ------------------------------------------------------------------------

static void arm(struct client *c) {
  if (c->fd < 0) return;
  uint32_t events = EPOLLIN;
  if (c->state == CONNECTING || c->out_len > c->out_sent || (c->next_route >= 0 && c->state == UP)) events |= EPOLLOUT;
  if (events == c->events) return;
  struct epoll_event e = {.events = events, .data.ptr = c};
  epoll_ctl(epoll, c->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, c->fd, &e);
  c->events = events;
}

// The connection has ended, or cannot go on. What the client announced is withdrawn by that.
static void end(struct client *c, const char *why) {
  if (c->state >= OPENSENT) {
    closed++;
    printf("{\"ev\":\"closed\",\"client\":%d,\"why\":\"%s\",\"t\":%.6f}\n", c->i, why, now);
    fflush(stdout);
  }
  if (c->fd >= 0) close(c->fd);
  c->fd = -1, c->events = 0, c->state = IDLE, c->in_len = c->out_len = c->out_sent = 0, c->next_route = -1;
  c->retry_at = now + RETRY_SECONDS * (0.75 + chance() % 1000 / 2000.0);
  memset(c->told, 0, total * sizeof *c->told), c->held = 0;
  for (long r = 0; r < routes; r++) set_sent(c->i * routes + r, 0);
}

static void end_by_error(struct client *c, int error) {
  if (error == ECONNRESET || error == EPIPE) resets++;
  end(c, error == ECONNRESET ? "RST" : strerror(error));
}

static void begin(struct client *c) {
  int one = 1;
  struct sockaddr_in own = local;
  own.sin_addr.s_addr = htonl(ntohl(local.sin_addr.s_addr) + c->i);
  c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (c->fd < 0) die("socket");
  setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  setsockopt(c->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  setsockopt(c->fd, SOL_SOCKET, SO_TIMESTAMPNS, &one, sizeof one);
  // Both ends of all connections are in this kernel: with buffers that grow to megabytes its memory for TCP
  // (tcp_mem) is used up in a bulk, and it drops segments.
  setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &(int){RECEIVE_BUFFER}, sizeof(int));
  if (bind(c->fd, (void *)&own, sizeof own)) die("bind");
  c->state = CONNECTING;
  if (connect(c->fd, (void *)&remote, sizeof remote) && errno != EINPROGRESS) end(c, "connect");
  else arm(c);
}

static void send_open(struct client *c) {
  uint32_t as = first_as + c->i;
  uint8_t body[32] = {4}, *p = body + 12;
  put16(body + 1, as > 65535 ? 23456 : as);
  put16(body + 3, hold);
  put32(body + 5, ntohl(local.sin_addr.s_addr) + c->i);
  memcpy(p, (uint8_t[]){1, 4, 0, 1, 0, 1, 2, 0, 65, 4}, 10), put32(p + 10, as), p += 14;
  body[9] = p - body - 10, body[10] = 2, body[11] = p - body - 12;
  message(c, OPEN, body, p - body);
  c->state = OPENSENT, c->heard_at = now;
}

// One prefix that was received. Returns whether that is news, or -1 for one that nobody announces.
static int note_told(struct client *c, const uint8_t *p, uint32_t hash) {
  long id = ((long)p[1] << 16 | p[2] << 8 | p[3]) - (FIRST_PREFIX >> 8);
  if (p[0] != 24 || id < 0 || id >= total) return -1;
  if (c->told[id] == hash) return 0;
  c->held += (hash != 0) - (c->told[id] != 0);
  c->told[id] = hash;
  return 1;
}

static void on_update(struct client *c, const uint8_t *m, unsigned len) {
  unsigned withdrawn = get16(m + 19);
  if (len < 23 || 23 + withdrawn > len || 23 + withdrawn + get16(m + 21 + withdrawn) > len) { malformed++; return; }
  const uint8_t *a = m + 23 + withdrawn, *a_end = a + get16(a - 2);
  if (!is_whole(a, a_end)) { malformed++; return; }
  uint32_t hash = hash_of(a, a_end);
  int news = 0, prefixes = 0;
  for (const uint8_t *p = m + 21; p < m + 21 + withdrawn; p += 1 + (*p + 7) / 8, prefixes++) {
    int is_news = note_told(c, p, 0);
    news += is_news > 0, malformed += is_news < 0;
  }
  for (const uint8_t *p = a_end; p < m + len; p += 1 + (*p + 7) / 8, prefixes++, told_since++) {
    int is_news = note_told(c, p, hash);
    news += is_news > 0, malformed += is_news < 0;
  }
  // Without prefixes it is an End-of-RIB.
  duplicates += prefixes > 0 && news == 0;
}

static void on_message(struct client *c, const uint8_t *m, unsigned len) {
  switch (m[18]) {
  case OPEN:
    opens++;
    message(c, KEEPALIVE, 0, 0);
    if (c->state != OPENSENT) end(c, "OPEN in a session");
    else c->state = OPENCONFIRM;
    break;
  case UPDATE: updates++, on_update(c, m, len); break;
  case NOTIFICATION: {
    char why[48];
    snprintf(why, sizeof why, "NOTIFICATION %d/%d", m[19], m[20]);
    notifications++;
    end(c, why);
    break;
  }
  case KEEPALIVE:
    if (c->state != OPENCONFIRM) break;
    c->state = UP, c->keepalive_at = now + hold / 3.0;
    if (c->has_announced) c->next_route = 0;
  }
}

// Octets came at `at`: the time since those before them was a silence.
static void note_heard(struct client *c, double at) {
  if (at > mark_at && c->last_at < mark_until) {
    double gap = (at < mark_until ? at : mark_until) - c->last_at;
    if (gap > c->longest) c->longest = gap, c->longest_at = c->last_at - mark_at;
  }
  c->last_at = at;
}

static void on_readable(struct client *c) {
  char control[128];
  struct iovec io = {c->in + c->in_len, RECEIVED_MAX - c->in_len};
  struct msghdr h = {.msg_iov = &io, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
  ssize_t n = recvmsg(c->fd, &h, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  int error = errno;
  now = wall();
  if (n < 0) { end_by_error(c, error); return; }
  if (n == 0) { fins++; end(c, "FIN"); return; }
  double at = now;
  for (struct cmsghdr *k = CMSG_FIRSTHDR(&h); k; k = CMSG_NXTHDR(&h, k))
    if (k->cmsg_level == SOL_SOCKET && k->cmsg_type == SO_TIMESTAMPNS) {
      struct timespec t;
      memcpy(&t, CMSG_DATA(k), sizeof t);
      at = t.tv_sec + t.tv_nsec * 1e-9;
    }
  note_heard(c, at);
  c->heard_at = now, c->in_len += n;
  size_t o = 0;
  while (c->in_len - o >= HEADER) {
    const uint8_t *m = c->in + o;
    unsigned len = get16(m + 16);
    int is_marked = 1;
    for (int k = 0; k < 16; k++) is_marked &= m[k] == 0xff;
    if (!is_marked || len < HEADER || len > MESSAGE_MAX || m[18] < OPEN || m[18] > ROUTE_REFRESH) {
      malformed++;
      end(c, "malformed");
      return;
    }
    if (c->in_len - o < len) break;
    on_message(c, m, len);
    if (c->fd < 0) return;
    o += len;
  }
  if (o) memmove(c->in, c->in + o, c->in_len - o), c->in_len -= o;
}

static void on_writable(struct client *c) {
  if (c->state == CONNECTING) {
    int error = 0;
    socklen_t len = sizeof error;
    getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error) { end(c, "connect"); return; }
    send_open(c);
  }
  while (c->state == UP && c->next_route >= 0 && c->out_len - c->out_sent < WAITING_MAX) {
    announce(c, c->next_route, PREFIXES_PER_UPDATE, version);
    c->next_route += PREFIXES_PER_UPDATE;
    if (c->next_route >= routes) c->next_route = -1;
  }
  if (c->out_len == c->out_sent) return;
  ssize_t n = write(c->fd, c->out + c->out_sent, c->out_len - c->out_sent);
  if (n > 0) c->out_sent += n;
  else if (n < 0 && errno != EAGAIN) end_by_error(c, errno);
}

// ---- commands ------------------------------------------------------------------------

static void say_silence(void) {
  double until = now < mark_until ? now : mark_until;
  int worst = 0;
  printf("{\"ev\":\"silence\",\"gapsMs\":[");
  for (int i = 0; i < count; i++) {
    struct client *c = &clients[i];
    // One that lasts beyond the window counts until its end.
    double rest = until - c->last_at;
    if (rest > c->longest) c->longest = rest, c->longest_at = c->last_at - mark_at;
    if (c->longest > clients[worst].longest) worst = i;
    printf("%s%.1f", i ? "," : "", 1e3 * c->longest);
  }
  printf("],\"worst\":%d,\"worstAtMs\":%.1f,\"turnMs\":%.1f}\n", worst, 1e3 * clients[worst].longest_at, 1e3 * turn_longest);
}

static void say_stat(void) {
  int up = 0, sending = 0, complete = 0;
  long held = 0;
  for (int i = 0; i < count; i++) {
    struct client *c = &clients[i];
    up += c->state == UP, held += c->held;
    sending += c->next_route >= 0 || c->out_len > c->out_sent;
    complete += c->held == live - c->live;
  }
  printf("{\"ev\":\"stat\",\"t\":%.6f,\"up\":%d,\"sending\":%d,\"complete\":%d,\"held\":%ld,\"told\":%ld,\"churned\":%ld,"
         "\"updates\":%ld,\"duplicates\":%ld,\"malformed\":%ld,\"opens\":%ld,\"notifications\":%ld,\"fins\":%ld,"
         "\"resets\":%ld,\"closed\":%ld,\"expired\":%ld}\n",
         now, up, sending, complete, held, told_since, churned, updates, duplicates, malformed, opens, notifications,
         fins, resets, closed, expired);
}

static void say_check(void) {
  long different = 0, missing = 0, extra = 0, echoed = 0;
  int wrong = 0;
  for (int i = 0; i < count; i++) {
    long before = different + missing + extra + echoed;
    const uint32_t *told = clients[i].told;
    for (long id = 0; id < total; id++) {
      // A route does not go back to whom it came from.
      if (id / routes == i) echoed += told[id] != 0;
      else if (told[id] != sent[id]) {
        if (!told[id]) missing++;
        else if (!sent[id]) extra++;
        else different++;
      }
    }
    wrong += different + missing + extra + echoed > before;
  }
  printf("{\"ev\":\"check\",\"different\":%ld,\"missing\":%ld,\"extra\":%ld,\"echoed\":%ld,\"clients\":%d,\"live\":%ld}\n",
         different, missing, extra, echoed, wrong, live);
}

static void mark(double seconds) {
  for (int i = 0; i < count; i++) clients[i].longest = clients[i].longest_at = 0;
  turn_longest = 0, mark_at = wall(), mark_until = mark_at + seconds;
  printf("{\"ev\":\"mark\",\"t\":%.6f}\n", mark_at);
}

static void announce_all(void) {
  version++, told_since = 0;
  for (int i = 0; i < count; i++) {
    clients[i].has_announced = 1;
    if (clients[i].state == UP) clients[i].next_route = 0, arm(&clients[i]);
  }
}

static void command(const char *line) {
  char what[16] = "";
  double value = 0;
  sscanf(line, "%15s %lf", what, &value);
  if (!strcmp(what, "quit")) exit(0);
  if (!strcmp(what, "connect")) wants_connections = 1;
  else if (!strcmp(what, "announce")) announce_all();
  else if (!strcmp(what, "told")) told_goal = value;
  else if (!strcmp(what, "churn")) churn_rate = value, churn_from = now, churned = 0;
  else if (!strcmp(what, "mark")) mark(value);
  else if (!strcmp(what, "silence")) say_silence();
  else if (!strcmp(what, "stat")) say_stat();
  else if (!strcmp(what, "check")) say_check();
  fflush(stdout);
}

static int on_input(void) {
  static char in[4096];
  static size_t len;
  ssize_t n = read(0, in + len, sizeof in - len - 1);
  if (n <= 0) return 0;
  len += n;
  for (char *end_of_line; (end_of_line = memchr(in, '\n', len));) {
    *end_of_line = 0;
    command(in);
    len -= end_of_line + 1 - in;
    memmove(in, end_of_line + 1, len);
  }
  return 1;
}

// ---- main loop -----------------------------------------------------------------------

static void churn(void) {
  long due = (now - churn_from) * churn_rate;
  for (int n = 0; churned < due && n < CHURN_PER_TURN_MAX; churned++, n++) {
    struct client *c = &clients[chance() % count];
    if (c->state != UP || c->next_route >= 0 || !c->has_announced) continue;
    long route = chance() % routes;
    if (sent[c->i * routes + route] && chance() % WITHDRAWN_ONE_IN == 0) withdraw(c, route);
    else announce(c, route, 1, ++version);
    if (c->out_len - c->out_sent < MESSAGE_MAX) on_writable(c);
    arm(c);
  }
}

static void on_time(void) {
  for (int i = 0; i < count; i++) {
    struct client *c = &clients[i];
    if (c->state == IDLE && wants_connections && now >= c->retry_at) begin(c);
    if (c->state >= OPENSENT && now - c->heard_at > hold) expired++, end(c, "hold timer");
    if (c->state == UP && now >= c->keepalive_at) {
      message(c, KEEPALIVE, 0, 0);
      c->keepalive_at = now + hold / 3.0;
      arm(c);
    }
  }
}

static void parse(int argc, char **argv) {
  if (argc < 5) { fprintf(stderr, "usage: clients REMOTE LOCAL COUNT ROUTES [hold=S] [as=N] [seed=N]\n"); exit(2); }
  remote.sin_family = local.sin_family = AF_INET;
  remote.sin_port = htons(179);
  if (inet_pton(AF_INET, argv[1], &remote.sin_addr) != 1 || inet_pton(AF_INET, argv[2], &local.sin_addr) != 1) exit(2);
  count = atoi(argv[3]), routes = atol(argv[4]), total = count * routes;
  for (int i = 5; i < argc; i++) {
    if (!strncmp(argv[i], "hold=", 5)) hold = atoi(argv[i] + 5);
    if (!strncmp(argv[i], "as=", 3)) first_as = strtoul(argv[i] + 3, 0, 10);
    if (!strncmp(argv[i], "seed=", 5)) random_state ^= (strtoull(argv[i] + 5, 0, 10) + 1) * 0x9e3779b97f4a7c15ull;
  }
  clients = calloc(count, sizeof *clients);
  sent = calloc(total, sizeof *sent);
  for (int i = 0; i < count; i++) {
    struct client *c = &clients[i];
    c->i = i, c->fd = -1, c->next_route = -1;
    c->in = malloc(RECEIVED_MAX);
    c->told = calloc(total, sizeof *c->told);
  }
}

int main(int argc, char **argv) {
  parse(argc, argv);
  signal(SIGPIPE, SIG_IGN);
  epoll = epoll_create1(EPOLL_CLOEXEC);
  struct epoll_event input = {.events = EPOLLIN, .data.ptr = 0};
  epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &input);
  puts("{\"ev\":\"ready\"}");
  fflush(stdout);
  double time_at = 0, turn_at = wall();
  for (;;) {
    struct epoll_event e[256];
    int n = epoll_wait(epoll, e, 256, churn_rate > 0 ? 1 : 10);
    now = wall();
    if (now - turn_at > turn_longest) turn_longest = now - turn_at;
    turn_at = now;
    for (int i = 0; i < n; i++) {
      struct client *c = e[i].data.ptr;
      if (!c) {
        if (!on_input()) return 0;
        continue;
      }
      uint32_t ended = EPOLLHUP | EPOLLERR;
      if (c->fd >= 0 && c->state != CONNECTING && e[i].events & (EPOLLIN | ended)) on_readable(c);
      if (c->fd >= 0 && e[i].events & (EPOLLOUT | ended)) on_writable(c);
      arm(c);
    }
    if (churn_rate > 0) churn();
    if (told_goal && told_since >= told_goal) {
      told_goal = 0;
      printf("{\"ev\":\"told\",\"t\":%.6f}\n", now);
      fflush(stdout);
    }
    if (now >= time_at) time_at = now + 0.01, on_time();
  }
}
