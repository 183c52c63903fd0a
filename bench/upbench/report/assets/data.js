// What Python wrote into the page: words, cases, pairs. Nothing else reads the document's JSON.

export const data = JSON.parse(document.getElementById("data").textContent);
