// What the page says, in the language of its reader. English stands where it is used; the words of another
// language are one table, `<language>.json`, by the English ones. A test compares both.
//
// What the server says when it refuses or ends something is English; a table has words for those that users
// meet: `error <code>`, `end <reason>`.
//
// Rules: `t` is for words of ours alone, never for what a person wrote; `{name}` in them is filled in. Of "one|many"
// the form is chosen by the number `n`, in the order of the language's plural categories (CLDR).

export const LANGUAGES = { en: "English", de: "Deutsch" };
const KEY = "hubbub.language";

export const language = chosen();
/** For dates and numbers: as the browser has it, if it speaks that language. */
export const locale = wanted().find((tag) => tag.startsWith(language)) ?? language;
const plurals = new Intl.PluralRules(language);
const forms = plurals.resolvedOptions().pluralCategories;
const table = language === "en" ? {} : await fetched();

function wanted() {
  return globalThis.document ? navigator.languages : [];
}

function chosen() {
  const kept = globalThis.document && localStorage.getItem(KEY);
  const tags = [...(kept ? [kept] : []), ...wanted()].map((tag) => tag.slice(0, 2).toLowerCase());
  return tags.find((tag) => tag in LANGUAGES) ?? "en";
}

async function fetched() {
  try {
    return await (await fetch(`/static/${language}.json`)).json();
  } catch {
    return {}; // English is better than nothing
  }
}

/** Another language, from the next load on. */
export function speak(tag) {
  localStorage.setItem(KEY, tag);
  location.reload();
}

/** What somebody else says in English, if the table has it under this key. */
export const told = (key, english) => table[key] ?? english;

export function t(english, values = {}) {
  const all = (table[english] ?? english).split("|");
  const words = all.length > 1 ? (all[forms.indexOf(plurals.select(values.n))] ?? all.at(-1)) : all[0];
  return words.replace(/\{(\w+)\}/gu, (whole, name) => values[name] ?? whole);
}
