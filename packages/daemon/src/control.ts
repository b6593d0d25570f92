/**
 * The control socket: requests and answers as lines of JSON over a Unix socket.
 *
 *     -> {"command": "show-routes", "prefix": "192.0.2.0/24"}
 *     <- {"item": {...}}         none, one or many
 *     <- {"end": {...}}          or {"error": "text"}
 *
 * One request at a time per connection; the next may follow on the same one.
 */

import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { chmodSync, linkSync, lstatSync, readdirSync, rmSync, type Stats } from "node:fs";
import net from "node:net";
import path from "node:path";
import { makePrivateFolder } from "@ts-bgp/nsr/private-folder";
import { descriptorOf, peerCredentials } from "@ts-bgp/takeover";
import { type Fault, writeFault } from "./fault.ts";
import { Turns } from "./turns.ts";

/** A request: its command and what that command takes. */
export interface ControlRequest {
  readonly command: string;
  readonly [argument: string]: unknown;
}

/**
 * What a command answers: items, then a last value; null is no item, and stands where nothing was found in a
 * while, so that whoever has given up can end it. Errors it throws become the answer; those that
 * are no ControlError are faults of the program.
 */
export type ControlHandler = (
  request: ControlRequest,
  /** Who asks, for people. */
  by: () => string,
) => AsyncGenerator<unknown, Readonly<Record<string, unknown>>>;

/**
 * - `bad`: the request itself is wrong;
 * - `unknown`: it is about something that is not there;
 * - `forbidden`: who asks may not;
 * - `standby`: only the active side can do it;
 * - `busy`: too much is asked at once;
 * - `refused`: it cannot be done as things are.
 */
export type Refusal = "bad" | "unknown" | "forbidden" | "standby" | "busy" | "refused";

/** An operator asked for something that cannot be done; the message is for them. */
export class ControlError extends Error {
  readonly kind: Refusal;

  constructor(message: string, kind: Refusal = "refused") {
    super(message);
    this.kind = kind;
  }
}

const REQUEST_OCTETS_MAX = 1 << 16;
/** One more, and the one gives way that has neither asked nor read anything for the longest time. */
const CLIENTS_MAX = 64;
/** A client that was refused may say the rest of what it is saying for so long. */
const LINGER_MS = 1000;
/** Of a request that is reported. */
const FAULT_CHARACTERS = 200;
/** Of sockets that clients shall not find yet. No longer than the default's name: a path has 107 octets. */
const HIDDEN = /^\.c-[\w-]{8}$/;
/** Lines of an answer are written together: one by one, each would cost a system call. */
const WRITE_CHARACTERS = 1 << 16;

export class ControlServer {
  private readonly server: net.Server;
  private readonly handler: ControlHandler;
  private readonly file: string;
  /** Where the socket is until clients shall find it. */
  private readonly hiddenFile: string;
  /** What clients find; null until they shall. */
  private published: Stats | null = null;
  private readonly fault: Fault;
  /** In the order in which they last asked for something, or read something of an answer. */
  private readonly clients: Set<net.Socket> = new Set();

  /** @param fault - told of faults of the program: an answer that goes wrong ends no session */
  constructor(file: string, handler: ControlHandler, fault: Fault = writeFault) {
    this.file = file;
    const name = `.c-${randomBytes(6).toString("base64url")}`;
    this.hiddenFile = path.join(path.dirname(file), name);
    this.handler = handler;
    this.fault = fault;
    this.server = net.createServer((socket) => this.serve(socket));
  }

  /**
   * Takes requests; rejects when another process answers on the socket, it cannot be made, or others could
   * put another one in its place.
   */
  async listen(): Promise<void> {
    await this.prepare();
    this.publish();
  }

  /** Does all of `listen` that can fail, and leaves it to `publish` to let clients find the socket. */
  async prepare(): Promise<void> {
    try {
      makePrivateFolder(this.file);
    } catch (error) {
      throw new Error(`cannot make control socket ${this.file}: ${(error as Error).message}`);
    }
    const known = lstatSync(this.file, { throwIfNoEntry: false });
    if (known !== undefined) {
      if (!known.isSocket()) throw new Error(`${this.file} is there and is not a socket`);
      if (!(await removeDead(this.file, known))) throw this.inUse();
    }
    try {
      await removeDeadHidden(path.dirname(this.file));
      this.server.listen(this.hiddenFile);
      await once(this.server, "listening");
      chmodSync(this.hiddenFile, 0o660);
    } catch (error) {
      throw new Error(`cannot make control socket ${this.file}: ${(error as Error).message}`);
    }
  }

  /** Once is enough. Throws, and takes no requests any more, when another speaker was faster. */
  publish(): void {
    if (this.published !== null || !this.server.listening) return;
    try {
      // Unlike a rename, this takes nobody's place.
      linkSync(this.hiddenFile, this.file);
      rmSync(this.hiddenFile);
      this.published = lstatSync(this.file);
    } catch (error) {
      this.server.close();
      const { code, message } = error as NodeJS.ErrnoException;
      if (code === "EEXIST") throw this.inUse();
      throw new Error(`cannot make control socket ${this.file}: ${message}`);
    }
  }

  close(): void {
    // Node.js removes it where it was made.
    this.server.close();
    if (this.published !== null) removeIfSame(this.file, this.published);
    this.published = null;
  }

  private inUse(): Error {
    return new Error(`${this.file} is in use: another speaker runs with this control socket`);
  }

  private serve(socket: net.Socket): void {
    let text = "";
    const turns = new Turns();
    const [stillest] = this.clients;
    if (stillest !== undefined && this.clients.size >= CLIENTS_MAX) {
      this.clients.delete(stillest);
      stillest.destroy();
    }
    this.clients.add(socket);
    socket.on("close", () => this.clients.delete(socket));
    socket.setEncoding("utf8");
    // A client that stays connected does not keep a stopped speaker alive.
    socket.unref();
    // A client that hangs up in the middle of an answer is no event.
    socket.on("error", () => socket.destroy());
    socket.on("data", async (chunk: string) => {
      // The next requests wait in the client until these are answered.
      socket.pause();
      const lines = (text + chunk).split("\n");
      text = lines.pop()!;
      for (const line of lines) await this.answer(socket, line, turns);
      if (text.length <= REQUEST_OCTETS_MAX) socket.resume();
      else refuse(socket, "the request is too long");
    });
  }

  /** It is alive, and goes to the end of those that might give way. */
  private noteAlive(socket: net.Socket): void {
    if (this.clients.delete(socket)) this.clients.add(socket);
  }

  private async answer(socket: net.Socket, line: string, turns: Turns): Promise<void> {
    let text = "";
    this.noteAlive(socket);
    try {
      await turns.next();
      const items = this.handler(parseRequest(line), () => userOf(socket));
      for (;;) {
        await turns.next();
        const { value, done } = await items.next();
        if (!socket.writable) {
          await items.return({});
          return;
        }
        if (value === null) continue;
        text += lineOf(done ? { end: value } : { item: value });
        if (!done && text.length < WRITE_CHARACTERS) continue;
        await write(socket, text);
        if (done) return;
        this.noteAlive(socket);
        text = "";
      }
    } catch (error) {
      const { message } = error as Error;
      if (error instanceof ControlError) await write(socket, text + lineOf({ error: message }));
      else {
        this.fault(`request ${line.slice(0, FAULT_CHARACTERS)}`, error);
        await write(socket, text + lineOf({ error: `internal error: ${message}` }));
      }
    }
  }
}

function parseRequest(line: string): ControlRequest {
  let request: unknown;
  try {
    request = JSON.parse(line);
  } catch {
    throw new ControlError("the request is not JSON", "bad");
  }
  const command = (request as Partial<ControlRequest> | null)?.command;
  if (typeof command !== "string") throw new ControlError('the request has no "command"', "bad");
  return request as ControlRequest;
}

/** @returns the user at the other end, as far as the kernel says */
function userOf(socket: net.Socket): string {
  try {
    return `user ${peerCredentials(descriptorOf(socket)).user}`;
  } catch {
    return "an unknown user";
  }
}

/** Removes a socket that a killed process left. @returns false when somebody has it */
async function removeDead(file: string, known: Stats): Promise<boolean> {
  if (await isTaken(file)) return false;
  removeIfSame(file, known);
  return true;
}

async function removeDeadHidden(folder: string): Promise<void> {
  for (const name of readdirSync(folder).filter((each) => HIDDEN.test(each))) {
    const file = path.join(folder, name);
    const known = lstatSync(file, { throwIfNoEntry: false });
    if (known?.isSocket()) await removeDead(file, known);
  }
}

/** What another process has put there meanwhile stays. */
function removeIfSame(file: string, { dev, ino }: Stats): void {
  const now = lstatSync(file, { throwIfNoEntry: false });
  if (now?.ino === ino && now.dev === dev) rmSync(file, { force: true });
}

/** @returns false when a connection is refused; any other trouble is that of a speaker that is there */
function isTaken(file: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(file);
    socket.once("connect", () => {
      socket.destroy();
      resolve(true);
    });
    socket.once("error", ({ code }: NodeJS.ErrnoException) =>
      resolve(code !== "ECONNREFUSED" && code !== "ENOENT"),
    );
  });
}

/**
 * Tells a client why, and hangs up. What it still says is read: a client whose words were left unread is
 * told of a broken connection by its kernel, and may never see the reason.
 */
function refuse(socket: net.Socket, reason: string): void {
  socket.removeAllListeners("data");
  socket.resume();
  socket.end(lineOf({ error: reason }));
  setTimeout(() => socket.destroy(), LINGER_MS).unref();
}

function lineOf(value: unknown): string {
  return `${JSON.stringify(value)}\n`;
}

/** Writes text; resolves when there is room for more, or nobody to read it. */
async function write(socket: net.Socket, text: string): Promise<void> {
  if (!socket.writable || socket.write(text)) return;
  await new Promise<void>((resolve) => {
    const done = () => {
      socket.off("drain", done);
      socket.off("close", done);
      resolve();
    };
    socket.on("drain", done);
    socket.on("close", done);
  });
}
