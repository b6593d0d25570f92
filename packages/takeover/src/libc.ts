/**
 * The functions of libc that Node.js has no names for. Nothing is loaded until the first use, so
 * that a machine without them can still run what does not need them.
 *
 * Buffers are passed as they are: the kernel reads and writes their memory, nothing is copied.
 */

import { getSystemErrorName } from "node:util";
import koffi from "koffi";

type Octets = Uint8Array | Uint32Array | Int32Array;

export interface Libc {
  socket(domain: number, type: number, protocol: number): number;
  close(fd: number): number;
  bind(fd: number, address: Octets, octets: number): number;
  connect(fd: number, address: Octets, octets: number): number;
  accept4(fd: number, address: Octets, octets: Uint32Array, flags: number): number;
  getsockname(fd: number, address: Octets, octets: Uint32Array): number;
  getpeername(fd: number, address: Octets, octets: Uint32Array): number;
  setsockopt(fd: number, level: number, option: number, value: Octets, octets: number): number;
  getsockopt(fd: number, level: number, option: number, value: Octets, octets: Octets): number;
  send(fd: number, octets: Octets, count: number, flags: number): number;
  sendto(
    fd: number,
    octets: Octets,
    count: number,
    flags: number,
    address: Octets,
    addressOctets: number,
  ): number;
  recv(fd: number, octets: Octets, count: number, flags: number): number;
  read(fd: number, octets: Octets, count: number): number;
  write(fd: number, octets: Octets, count: number): number;
  ioctl(fd: number, request: number, value: Octets): number;
  poll: {
    (entries: Octets, count: number, timeoutMs: number): number;
    async(
      entries: Octets,
      count: number,
      timeoutMs: number,
      done: (error: Error | null, ready: number) => void,
    ): void;
  };
  eventfd(value: number, flags: number): number;
  flock(fd: number, operation: number): number;
  clock_gettime(clock: number, timespec: Octets): number;
  setpriority(which: number, who: number, nice: number): number;
  sched_getscheduler(thread: number): number;
  /** the structure is one `int` */
  sched_setscheduler(thread: number, policy: number, parameters: Octets): number;
  /** the address is null for any, and that of the result a number or a bigint */
  mmap(
    address: null,
    octets: number,
    protection: number,
    flags: number,
    fd: number,
    offset: number,
  ): bigint;
  mprotect(address: bigint, octets: number, protection: number): number;
  sigaction(signal: number, action: Octets | null, before: Octets | null): number;
  _exit(code: number): never;
  if_nametoindex(name: string): number;
  if_indextoname(index: number, name: Octets): string | null;
  /** system calls that libc has no function for; four integers are enough for those in use */
  syscall(number: number, a: number, b: number, c: number, d: number): number;
  /** setsockopt with SO_ATTACH_FILTER: the structure holds a pointer */
  attachFilter(
    fd: number,
    level: number,
    option: number,
    program: { readonly count: number; readonly instructions: Octets },
    octets: number,
  ): number;
  sendmsg(fd: number, message: MessageHeader, flags: number): number;
  recvmsg(fd: number, message: MessageHeader, flags: number): number;
}

/** `struct msghdr` of recvmsg(2), without an address: one part, and control data. */
export interface MessageHeader {
  readonly name: null;
  readonly nameOctets: 0;
  readonly parts: readonly { readonly at: Octets; readonly octets: number }[];
  readonly count: number;
  readonly control: Octets;
  /** Of what was received: so much of it there is. */
  controlOctets: number;
  flags: number;
}

/** Those that are given structures with pointers. */
type StructFunctions = "attachFilter" | "sendmsg" | "recvmsg";

/** Signatures by name; the order of parameters is that of `Libc`. */
const SIGNATURES: Readonly<Record<Exclude<keyof Libc, StructFunctions>, string>> = {
  socket: "int socket(int, int, int)",
  close: "int close(int)",
  bind: "int bind(int, void *, uint32_t)",
  connect: "int connect(int, void *, uint32_t)",
  accept4: "int accept4(int, void *, void *, int)",
  getsockname: "int getsockname(int, void *, void *)",
  getpeername: "int getpeername(int, void *, void *)",
  setsockopt: "int setsockopt(int, int, int, void *, uint32_t)",
  getsockopt: "int getsockopt(int, int, int, void *, void *)",
  send: "long send(int, void *, size_t, int)",
  sendto: "long sendto(int, void *, size_t, int, void *, uint32_t)",
  recv: "long recv(int, void *, size_t, int)",
  read: "long read(int, void *, size_t)",
  write: "long write(int, void *, size_t)",
  ioctl: "int ioctl(int, unsigned long, void *)",
  poll: "int poll(void *, unsigned long, int)",
  flock: "int flock(int, int)",
  clock_gettime: "int clock_gettime(int, void *)",
  eventfd: "int eventfd(unsigned int, int)",
  setpriority: "int setpriority(int, int, int)",
  sched_getscheduler: "int sched_getscheduler(int)",
  sched_setscheduler: "int sched_setscheduler(int, int, void *)",
  mmap: "void *mmap(void *, size_t, int, int, int, long)",
  mprotect: "int mprotect(void *, size_t, int)",
  sigaction: "int sigaction(int, void *, void *)",
  _exit: "void _exit(int)",
  if_nametoindex: "unsigned int if_nametoindex(const char *)",
  if_indextoname: "const char *if_indextoname(unsigned int, void *)",
  syscall: "long syscall(long, long, long, long, long)",
};

let loaded: Libc | null = null;

/** @throws Error when the platform has no such library */
export function libc(): Libc {
  if (loaded !== null) return loaded;
  const library = koffi.load("libc.so.6");
  const functions: Record<string, unknown> = {};
  for (const [name, signature] of Object.entries(SIGNATURES)) {
    functions[name] = library.func(signature);
  }
  const program = koffi.struct({ count: "uint16_t", instructions: "void *" });
  functions["attachFilter"] = library.func("setsockopt", "int", [
    "int",
    "int",
    "int",
    koffi.pointer(program),
    "uint32_t",
  ]);
  const part = koffi.struct({ at: "void *", octets: "size_t" });
  const header = koffi.struct({
    ...{ name: "void *", nameOctets: "uint32_t" },
    ...{ parts: koffi.pointer(part), count: "size_t" },
    ...{ control: "void *", controlOctets: "size_t", flags: "int" },
  });
  const given = koffi.pointer(header);
  functions["sendmsg"] = library.func("sendmsg", "long", ["int", given, "int"]);
  functions["recvmsg"] = library.func("recvmsg", "long", ["int", koffi.inout(given), "int"]);
  loaded = functions as unknown as Libc;
  return loaded;
}

/** A call that the kernel refused. */
export class KernelError extends Error {
  readonly errno: number;

  /** @param what - what was tried, in words */
  constructor(what: string, errno: number) {
    super(`${what}: ${getSystemErrorName(-errno)}`);
    this.errno = errno;
  }
}

/** Why the newest call failed. Read it before anything else is called. */
export function errno(): number {
  return koffi.errno();
}

/** @returns `result` @throws KernelError when it is negative */
export function check(result: number, what: string): number {
  if (result < 0) throw new KernelError(what, koffi.errno());
  return result;
}

export const EPERM = 1;
export const ENOENT = 2;
export const EINTR = 4;
export const EAGAIN = 11;
export const ENOMEM = 12;
export const EBUSY = 16;
export const EADDRINUSE = 98;
export const EADDRNOTAVAIL = 99;
export const ECONNABORTED = 103;
export const ENOBUFS = 105;
export const ENOTCONN = 107;

export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const SOCK_STREAM = 1;
export const SOCK_DGRAM = 2;
export const SOCK_RAW = 3;
export const SOCK_NONBLOCK = 0o4000;
export const SOCK_CLOEXEC = 0o2000000;
export const SOL_SOCKET = 1;
export const IPPROTO_IP = 0;
export const IPPROTO_TCP = 6;
export const IPPROTO_IPV6 = 41;
export const MSG_PEEK = 2;
export const MSG_DONTWAIT = 0x40;
export const MSG_NOSIGNAL = 0x4000;
export const MSG_CMSG_CLOEXEC = 0x4000_0000;

/** Of one call at a time: thousands of them are made while every peer waits. */
const intScratch = new Int32Array(1);
const u32Scratch = new Uint32Array(1);
const octetsScratch = new Uint32Array(1);

export function setInt(fd: number, level: number, option: number, value: number, what: string) {
  intScratch[0] = value;
  check(libc().setsockopt(fd, level, option, intScratch, 4), what);
}

/** @returns the value as an unsigned number */
export function getU32(fd: number, level: number, option: number, what: string): number {
  octetsScratch[0] = 4;
  check(libc().getsockopt(fd, level, option, u32Scratch, octetsScratch), what);
  return u32Scratch[0]!;
}

/** Socket options by direction: with the right to go beyond the system's limit, and without. */
const BUFFER_OPTIONS = {
  send: { forced: 32, limited: 7 },
  receive: { forced: 33, limited: 8 },
} as const;

/**
 * Sets the size of a socket's buffer; in a user namespace, where that is not allowed, as far as the
 * system's limit lets it.
 */
export function setBuffer(fd: number, direction: "send" | "receive", octets: number): void {
  const { forced, limited } = BUFFER_OPTIONS[direction];
  intScratch[0] = octets;
  if (libc().setsockopt(fd, SOL_SOCKET, forced, intScratch, 4) === 0) return;
  if (errno() !== EPERM) throw new KernelError(`${direction} buffer`, errno());
  setInt(fd, SOL_SOCKET, limited, octets, `${direction} buffer`);
}
