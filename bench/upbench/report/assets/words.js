// The page's language: which one is chosen, and what scripts say in it.

import { data } from "page/data";

const root = document.documentElement;

/** The language's tag, such as "zh-Hans". */
export const language = () => root.lang;

/** The tags of all languages. */
export const languages = Object.keys(data.words);

/** A sentence of the catalogue, its places filled with text; what no catalogue has is itself. */
export function say(key, values = {}) {
  const sentence = data.words[language()][key] ?? key;
  return sentence.replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}

/** Make a language the page's; the style sheet shows the element that is checked. */
export function speak(tag) {
  root.lang = tag;
  document.querySelector(`input[name="language"][value="${tag}"]`).checked = true;
  document.title = say("title");
}
