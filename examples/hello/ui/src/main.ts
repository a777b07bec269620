import { fetchHello, type Hello } from "./api";
import "./style.css";

const ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"];

function element<T extends HTMLElement = HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (!found) {
    throw new Error(`index.html has no element #${id}`);
  }
  return found as T;
}

const zone = element<HTMLSelectElement>("zone");
const problem = element("problem");

function show(hello: Hello): void {
  element("platform").textContent = hello.platform;
  element("version").textContent = hello.version;
  element("go").textContent = hello.go;
  element("certificates").textContent = hello.certificates.loaded
    ? "loaded"
    : `missing${hello.certificates.error ? `: ${hello.certificates.error}` : ""}`;
  element("time").textContent =
    `${hello.zone.time.slice(0, 19).replace("T", " ")} ${hello.zone.abbreviation} (${hello.zone.offset})`;
  document.title = `hello from ${hello.platform}`;
}

async function refresh(): Promise<void> {
  try {
    show(await fetchHello(zone.value));
    problem.hidden = true;
  } catch (error) {
    problem.textContent = error instanceof Error ? error.message : String(error);
    problem.hidden = false;
  }
}

zone.append(...ZONES.map((name) => new Option(name.replace("_", " "), name)));
zone.addEventListener("change", () => void refresh());
void refresh();
