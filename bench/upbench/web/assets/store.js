// Launches that are finished stay in the browser, so that a page that was closed, or a phone that ran empty, loses
// nothing but the launch it was at.

const NAME = "upsample-bench", TABLE = "launches";

const promised = (request) => new Promise((resolve, reject) => {
  request.onsuccess = () => resolve(request.result);
  request.onerror = () => reject(request.error);
});

let opened = null;

function database() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE);
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  return opened;
}

async function table(mode) {
  return (await database()).transaction(TABLE, mode).objectStore(TABLE);
}

// A private window may have no room: then nothing is kept, and nothing breaks.
const orElse = (fallback) => () => fallback;

/** The launches of a question; empty where there are none. */
export const kept = async (key) => (await table("readonly").then((own) => promised(own.get(key))).catch(orElse(null))) ?? [];

/** Keep all launches of a question. */
export const keep = (key, launches) => table("readwrite").then((own) => promised(own.put(launches, key))).catch(orElse(null));

/** Forget a question. */
export const forget = (key) => table("readwrite").then((own) => promised(own.delete(key))).catch(orElse(null));

/** What tells this browser from another of its kind, drawn at the first visit; null where nothing can be kept. */
export async function installation() {
  const known = await table("readonly").then((own) => promised(own.get("installation"))).catch(orElse(null));
  if (known) return known;
  const drawn = [...crypto.getRandomValues(new Uint8Array(8))].map((each) => each.toString(16).padStart(2, "0")).join("");
  return (await table("readwrite").then((own) => promised(own.put(drawn, "installation"))).then(() => drawn).catch(orElse(drawn)));
}
