// Two tabs that measure at once would slow each other: only one has the right to.

const NAME = "upsample-bench", LEASE_MS = 4000;

/** Do something while no other tab does; resolves to false, without doing it, where another one is at it. */
export function alone(work) {
  return navigator.locks ? byLock(work) : byLease(work);
}

const byLock = (work) => navigator.locks.request(NAME, { ifAvailable: true }, async (lock) => {
  if (lock) await work();
  return lock !== null;
});

// Pages without HTTPS, but those of this machine, have no locks: a lease that is renewed as long as the tab lives.
async function byLease(work) {
  const own = String(Math.random());
  const [owner, until] = (localStorage.getItem(NAME) ?? "").split("@");
  if (owner && Number(until) > Date.now()) return false;
  const renew = () => localStorage.setItem(NAME, `${own}@${Date.now() + LEASE_MS}`);
  renew();
  const timer = setInterval(renew, LEASE_MS / 4);
  try {
    await work();
  } finally {
    clearInterval(timer);
    localStorage.removeItem(NAME);
  }
  return true;
}
