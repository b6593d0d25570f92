/** Errors as RFC 9457 has them. */

import { STATUS_CODES } from "node:http";
import type { HttpAnswer } from "../http-server.ts";

/** Ends what was asked for with an error. */
export class Problem extends Error {
  readonly status: number;
  readonly more: Readonly<Record<string, unknown>>;
  readonly headers: Readonly<Record<string, string>>;

  /**
   * @param detail - for people
   * @param more - further members
   */
  constructor(
    status: number,
    detail: string,
    more: Problem["more"] = {},
    headers: Problem["headers"] = {},
  ) {
    super(detail);
    this.status = status;
    this.more = more;
    this.headers = headers;
  }

  /** @param others - further members */
  answer(others: Readonly<Record<string, unknown>> = {}): HttpAnswer {
    const { status, message: detail, headers } = this;
    const more = { ...this.more, ...others };
    const title = STATUS_CODES[status] ?? "Error";
    const body = `${JSON.stringify({ type: "about:blank", title, status, detail, ...more })}\n`;
    return { status, contentType: "application/problem+json", headers, body };
  }
}
