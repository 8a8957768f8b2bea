// Being let in at a server: by a code that somebody confirms in a browser, or by a token. The engine does it; this
// remembers how far it has come, also while another view is looked at.

import type { Account, Event, Problem } from "../bindings";
import { ask, problemOf } from "../engine";
import { hostOf } from "../lib/uploads";
import { say } from "../words/index.svelte";
import { toasts } from "./toasts.svelte";

export type Step =
  | { at: "form" }
  | { at: "calling" }
  | { at: "code"; code: string; url: string; until: number }
  | { at: "expired" }
  | { at: "failed"; problem: Problem };

/** By so much the clocks of server, engine and window may be apart about a code's end. */
const expiryMs = 15_000;

class Login {
  step = $state.raw<Step>({ at: "form" });
  /** Who let this computer in last, and where its secret is kept, as far as this window has heard. */
  account = $state.raw<Account | null>(null);
  /** Where to, as it was typed last. */
  address = $state("");
  /** Bearers of older answers, which no longer count. */
  private round = 0;

  /** Asks to be let in: by a code, or by this token. */
  async begin(server: string, token: string | null): Promise<void> {
    const round = (this.round += 1);
    this.step = { at: "calling" };
    try {
      const reply = await ask({ login: { server, token } });
      if (round !== this.round || typeof reply !== "object") return;
      if ("pairing" in reply) {
        const { user_code, url, expires_in_s } = reply.pairing;
        this.step = { at: "code", code: user_code, url, until: Date.now() + expires_in_s * 1000 };
      } else if ("logged_in" in reply) this.done(reply.logged_in);
    } catch (thrown) {
      if (round === this.round) this.step = { at: "failed", problem: problemOf(thrown) };
    }
  }

  /** What the engine says by itself. */
  hear(event: Event): void {
    if ("logged_in" in event) this.done(event.logged_in);
    else if ("login_failed" in event && this.step.at === "code") this.fail(event.login_failed.problem);
  }

  /** The code's time is over, by this window's clock; the engine may say so too. */
  expire(): void {
    if (this.step.at === "code") this.step = { at: "expired" };
  }

  /** Nobody is to be let in any more. Who is logged in already stays so; the code then runs out by itself. */
  async cancel(isLoggedIn: boolean): Promise<void> {
    const waited = this.step.at === "code" || this.step.at === "calling";
    this.round += 1;
    this.step = { at: "form" };
    if (waited && !isLoggedIn) await ask("logout").catch(() => {});
  }

  /** A refusal about when the code runs out says that it has run out. */
  private fail(problem: Problem): void {
    const late = this.step.at === "code" && Date.now() > this.step.until - expiryMs;
    this.round += 1;
    this.step = late ? { at: "expired" } : { at: "failed", problem };
  }

  private done(account: Account): void {
    this.round += 1;
    [this.step, this.account] = [{ at: "form" }, account];
    const w = say().uploads;
    toasts.say(w.loggedIn(hostOf(account.server)));
    // Not where people would expect it, so it is said aloud.
    if (account.kept === "file") toasts.warn(w.keptIn["file"]!);
  }
}

/** The one of this window. */
export const login = new Login();
