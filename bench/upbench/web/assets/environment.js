// What browser this is, as far as it tells: the fingerprint that a record carries in place of a machine's.

import { installation } from "./store.js";

const BRANDS = [[/Firefox\/([\d.]+)/, "Firefox"], [/Edg\/([\d.]+)/, "Edge"], [/(?:Headless)?Chrome\/([\d.]+)/, "Chrome"],
  [/Version\/([\d.]+).*Safari/, "Safari"]];
const SYSTEMS = [[/Android/, "Android"], [/iPhone|iPad/, "iOS"], [/Windows/, "Windows"], [/Mac OS X/, "macOS"],
  [/CrOS/, "ChromeOS"], [/Linux/, "Linux"]];

function fromUserAgent() {
  const text = navigator.userAgent;
  const [found, name] = BRANDS.map(([pattern, brand]) => [text.match(pattern), brand]).find(([match]) => match) ?? [null, "unknown browser"];
  return { name, version: found?.[1] ?? "unknown", system: SYSTEMS.find(([pattern]) => pattern.test(text))?.[1] ?? "unknown system" };
}

/** Name, version and system: Chromium says more when it is asked than in its user agent. */
async function browser() {
  const plain = fromUserAgent();
  if (!navigator.userAgentData) return plain;
  const told = await navigator.userAgentData.getHighEntropyValues(["architecture", "fullVersionList", "model", "platformVersion"]);
  const brands = (told.fullVersionList ?? []).filter(({ brand }) => !/not.?a.?brand/i.test(brand));
  const own = brands.find(({ brand }) => brand !== "Chromium") ?? brands[0];
  const system = [told.platform, told.platformVersion, told.architecture, told.model].filter(Boolean).join(" ");
  return { name: own?.brand ?? plain.name, version: own?.version ?? plain.version, system: system || plain.system };
}

/** The adapter that WebGPU would use, in words; null where there is none. */
async function adapter() {
  const found = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!found) return null;
  const { vendor, architecture, device, description } = found.info ?? {};
  return description || [vendor, architecture, device].filter(Boolean).join(" ") || "an adapter without a name";
}

/** Everything that a page can know of where it runs. */
export async function environment() {
  const { name, version, system } = await browser();
  return {
    name, version, system,
    cores: navigator.hardwareConcurrency ?? 1,
    isolated: globalThis.crossOriginIsolated === true,
    secure: globalThis.isSecureContext === true,
    memory: navigator.deviceMemory ? navigator.deviceMemory * 2 ** 30 : null,
    adapter: await adapter(),
    userAgent: navigator.userAgent,
    installation: await installation(),
  };
}

/** The fingerprint, by the names that readers of records know. */
export function fingerprint(here, plan) {
  return {
    cpu: `${here.name} on ${here.system}`, physical_cores: null, logical_cores: here.cores, usable_cores: here.cores,
    caches: {}, memory_bytes: here.memory, os: here.system, libc: "", python: "", torch: plan.torch,
    cpu_capability: "WebAssembly SIMD", gpus: here.adapter ? [here.adapter] : [],
    versions: { [here.name]: here.version, [plan.runtime.package]: plan.runtime.version },
    browser: { name: here.name, version: here.version, installation: here.installation, isolated: here.isolated },
    user_agent: here.userAgent,
  };
}
