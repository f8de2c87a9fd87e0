// Starts the program under test and the browser that visits it, and ends both.

import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { createServer } from "node:net";
import { delimiter, join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const here = fileURLToPath(new URL(".", import.meta.url));
export const SHOTS = join(here, "shots");

function runs(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function browser() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const named = ["chromium", "chromium-browser"].flatMap((name) => folders.map((folder) => join(folder, name)));
  const found = named.find(runs);
  if (!found) throw new Error("no chromium or chromium-browser on PATH; install the distribution's chromium package");
  return found;
}

function program() {
  const path = resolve(process.env.AUTHDEX_BIN ?? join(here, "../../target/debug/authdex"));
  if (!runs(path)) throw new Error(`${path} is not there; run \`cargo build -p authdex\`, or set AUTHDEX_BIN`);
  return path;
}

async function freePort() {
  const server = createServer();
  await new Promise((done, failed) => server.once("error", failed).listen(0, "127.0.0.1", done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** The demo on a free port: `{ url, stop }`, once it says that it is ready. */
export async function startDemo() {
  const url = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(program(), ["demo", "--listen", url.slice("http://".length)], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => (said = (said + text).slice(-4000)));
  let ended = false;
  const exit = new Promise((done) =>
    child.once("error", (error) => ((said += error), (ended = true), done())).once("exit", () => ((ended = true), done())),
  );
  const stop = async () => {
    if (ended) return;
    child.kill("SIGTERM");
    const kill = setTimeout(() => child.kill("SIGKILL"), 5000);
    await exit;
    clearTimeout(kill);
  };
  const patience = Date.now() + 90_000;
  for (;;) {
    if (ended) throw new Error(`the demo ended before it was ready:\n${said}`);
    const ready = await fetch(`${url}/readyz`).then((answer) => answer.status === 200, () => false);
    if (ready) return { url, stop };
    if (Date.now() > patience) {
      await stop();
      throw new Error(`the demo was not ready after 90 s:\n${said}`);
    }
    await pause(100);
  }
}

/** The distribution's Chromium, quiet: nothing of its own goes to the network. */
export function startBrowser() {
  return chromium.launch({
    executablePath: browser(),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
}

export const WIDE = { width: 1280, height: 800 };
export const PHONE = { width: 390, height: 844 };

/** What a visitor may come with: window and colours. */
export const VISITORS = [
  { name: "wide, light", viewport: WIDE, colorScheme: "light" },
  { name: "wide, dark", viewport: WIDE, colorScheme: "dark" },
  { name: "phone, light", viewport: PHONE, colorScheme: "light", hasTouch: true },
  { name: "phone, dark", viewport: PHONE, colorScheme: "dark", hasTouch: true },
];
