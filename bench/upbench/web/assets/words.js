// What scripts say, in the language that the visitor chose. Sentences come from the catalogue of the package.

const words = await (await fetch("words.json", { cache: "no-cache" })).json();
const root = document.documentElement;
const listeners = [];

/** A sentence, its places filled with text. */
export function say(key, values = {}) {
  return words[root.lang][key].replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}

/** Call back when another language was chosen. */
export const onLanguage = (listener) => listeners.push(listener);

/** Make a language the page's; one that it does not have changes nothing. */
export function speak(tag) {
  if (!Object.hasOwn(words, tag)) return;
  root.lang = tag;
  document.querySelector(`input[name="language"][value="${tag}"]`).checked = true;
  document.title = say("title");
  listeners.forEach((listener) => listener());
}

for (const choice of document.querySelectorAll('input[name="language"]')) {
  choice.addEventListener("change", () => speak(choice.value));
}
