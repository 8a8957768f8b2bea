// Which language is spoken, and its catalogue.

import { regionOf } from "../lib/plan";
import { kept } from "../state/settings.svelte";
import { de } from "./de";
import { en, type Words } from "./en";

/** Every language, by its tag, with its own name for itself. */
export const languages = { en: "English", de: "Deutsch" } as const;
export type Language = keyof typeof languages;

const catalogues: Record<Language, Words> = { en, de };
const system: Language = navigator.languages.map((tag) => tag.slice(0, 2)).find((tag): tag is Language => tag in catalogues) ?? "en";

/** A language, or `system` for the system's. */
export const wished = kept<Language | "system">("language", "system");

/** The current language's tag. */
export const language = (): Language => (wished.value === "system" ? system : wished.value);
/** The words of the current language. */
export const say = (): Words => catalogues[language()];
/** For numbers and dates: the system's region where it speaks the same language. */
export const locale = (): string => navigator.languages.find((tag) => tag.slice(0, 2) === language()) ?? language();
/** A source's name for people: parts of screens are known by their numbers alone. */
export function sourceName(name: string): string {
  const region = regionOf(name);
  return region ? `${say().record.region} ${region}` : name;
}
