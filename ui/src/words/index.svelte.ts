// Which language is spoken, and its catalogue.

import { de } from "./de";
import { en, type Words } from "./en";

/** Every language, by its tag, with its own name for itself. */
export const languages = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof languages;

const catalogues: Record<Language, Words> = { en, de };
const kept = "spool.language";

function first(): Language {
  const wished = [localStorage.getItem(kept) ?? "", ...navigator.languages].map((tag) => tag.slice(0, 2));
  return wished.find((tag): tag is Language => tag in catalogues) ?? "en";
}

let current = $state<Language>(first());

/** The words of the current language. */
export const say = (): Words => catalogues[current];
/** The current language's tag. */
export const language = (): Language => current;

/** Speaks another language from now on. */
export function speak(next: Language): void {
  current = next;
  localStorage.setItem(kept, next);
  document.documentElement.lang = next;
}
