// Where a record goes: into a file, or back to the server that handed out this page, if it takes any.

/** Save a document as a file. */
export function download(document_, name) {
  const address = URL.createObjectURL(new Blob([JSON.stringify(document_)], { type: "application/json" }));
  const link = Object.assign(document.createElement("a"), { href: address, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

/** What the server needs to take a record from this page; null where it is one of static files. */
export async function receiver() {
  if (document.querySelector('meta[name="upbench"]').content !== "receives") return null;
  const answer = await fetch("session.json", { cache: "no-store" });
  return (await answer.json()).token;
}

/** Send a document; resolves to the server's sentence. */
export async function send(document_, token) {
  const answer = await fetch("records", {
    method: "POST", body: JSON.stringify(document_),
    headers: { "content-type": "application/json", "x-upbench-token": token },
  });
  const { said } = await answer.json();
  return { taken: answer.ok, said };
}
