/** Dialogs: what is about to be done, a token, the keys. The browser keeps the focus inside. */

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { Wrong } from "./ui.tsx";

export function Dialog(props: {
  title: string;
  close: () => void;
  children: ComponentChildren;
}): JSX.Element {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => element.current?.showModal(), []);
  return (
    <dialog ref={element} onClose={props.close} aria-label={props.title}>
      <h2>{props.title}</h2>
      {props.children}
    </dialog>
  );
}

/** Asks before something is done; stays open with the reason when it was not. */
export function Confirm(props: {
  title: string;
  text: string;
  /** A text goes with it to the neighbor (RFC 9003). */
  hasReason?: boolean;
  act: (text: string) => Promise<void>;
  close: () => void;
}): JSX.Element {
  const [text, setText] = useState("");
  const [error, setError] = useState<Error | null>(null);
  const [isBusy, setBusy] = useState(false);
  const act = async (event: Event) => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await props.act(text);
      props.close();
    } catch (wrong) {
      setError(wrong as Error);
      setBusy(false);
    }
  };
  return (
    <Dialog title={props.title} close={props.close}>
      <form onSubmit={act}>
        <p>{props.text}</p>
        {props.hasReason === true ? (
          <label>
            Why, for the neighbor to read
            <input
              maxLength={128}
              value={text}
              onInput={({ currentTarget }) => setText(currentTarget.value)}
            />
          </label>
        ) : null}
        {error === null ? null : <Wrong error={error} />}
        <p class="buttons">
          <button type="button" onClick={props.close}>
            Cancel
          </button>
          <button type="submit" class="main" disabled={isBusy}>
            {isBusy ? "…" : "Do it"}
          </button>
        </p>
      </form>
    </Dialog>
  );
}
