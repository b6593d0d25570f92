/** One thing that nonstop routing needs of a host, and how that is here. */
export interface DoctorRow {
  readonly what: string;
  readonly ok: boolean;
  /** Connections can be taken over without it. */
  readonly isMinor?: true;
  readonly detail: string;
  /** Empty when all is well. */
  readonly whatToDo: string;
}
