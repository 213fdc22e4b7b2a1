#!/usr/bin/env node
// SPDX-License-Identifier: GPL-3.0-or-later
// Eight attacks by web pages, in real Chromium against the real daemon; none may succeed.
// usage: attacks.mjs TIMBRED    status 77: the panel's packages or Chromium are not installed
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import net from "node:net";
import os from "node:os";
import path from "node:path";

const require = createRequire(
  new URL("../../web/package.json", import.meta.url),
);
const chromium = "/usr/bin/chromium";
let playwright;
try {
  playwright = require("playwright-core");
} catch {
  console.log("SKIPPED: playwright-core is not installed in web/node_modules");
  process.exit(77);
}
if (!existsSync(chromium)) {
  console.log("SKIPPED: Chromium is not installed");
  process.exit(77);
}

const freePort = () =>
  new Promise((resolve) => {
    const server = net.createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

async function startDaemon(binary) {
  const state = mkdtempSync(path.join(os.tmpdir(), "timbred-attacks-"));
  const port = await freePort();
  const options = [
    `--state=${state}`,
    "--server.listen=127.0.0.1",
    `--server.port=${port}`,
  ];
  const quiet = [
    "--audio.driver=null",
    "--midi.sequencer=false",
    "--models.zoo=none", // its patches arrive while we look for changes
  ];
  const child = spawn(binary, ["serve", ...options, ...quiet], {
    stdio: ["ignore", "pipe", 2],
  });
  const token = await new Promise((resolve, reject) => {
    let text = "";
    child.on("exit", (code) =>
      reject(new Error(`ended with ${code}: ${text}`)),
    );
    child.stdout.on("data", (data) => {
      text += data;
      const found = /token=([\w-]{22})/.exec(text);
      if (found) resolve(found[1]);
    });
  });
  const base = `http://127.0.0.1:${port}`;
  const call = (method, where, body) =>
    fetch(`${base}/api/v1${where}`, {
      method,
      headers: {
        Authorization: `Bearer ${token}`,
        "Content-Type": "application/json",
      },
      body: body && JSON.stringify(body),
    });
  const stop = () =>
    new Promise((resolve) => {
      child.removeAllListeners("exit");
      child.on("exit", resolve);
      child.kill("SIGTERM");
    }).then(() => rmSync(state, { recursive: true, force: true }));
  return { base, call, port, stop, token };
}

/* Everything an attacker could have changed, as text. */
async function snapshot(daemon) {
  const patches = await (await daemon.call("GET", "/patches?limit=500")).json();
  const state = await (await daemon.call("GET", "/state")).json();
  const status = await (await daemon.call("GET", "/status")).json();
  return JSON.stringify([
    patches.total,
    state.values,
    state.patch,
    status.audio.voices,
  ]);
}

const EDIT = JSON.stringify({ values: { "fm.feedback": 7 } });

/* name -> what the page at evil.example does; it returns what it got hold of, or null. */
const ATTACKS = {
  "text/plain post": (page, target) =>
    page.evaluate(
      async ([url, body]) => {
        for (const method of ["POST"])
          for (const where of [
            "/notes",
            "/panic",
            "/state/undo",
            "/patches",
            "/imports",
          ])
            await fetch(`${url}/api/v1${where}`, {
              method,
              mode: "no-cors",
              headers: { "Content-Type": "text/plain" },
              body,
            }).catch(() => null);
        return null;
      },
      [target, EDIT],
    ),
  "form post": async (page, target) => {
    await page.evaluate(
      ([url]) => {
        document.body.innerHTML = `<iframe name="sink"></iframe><form target="sink" method="post"
          enctype="text/plain" action="${url}/api/v1/patches">
          <input name='{"name":"evil","x":"' value='"}'></form>`;
        document.forms[0].submit();
      },
      [target],
    );
    await page.waitForTimeout(500);
    return null;
  },
  "image get": (page, target) =>
    page.evaluate(
      async ([url]) => {
        const paths = [
          "/panic",
          "/notes",
          "/state/undo",
          "/audio/test-tone",
          "/state",
        ];
        const loaded = await Promise.all(
          paths.map(
            (p) =>
              new Promise((resolve) => {
                const image = new Image();
                image.onload = () => resolve(p);
                image.onerror = () => resolve(null);
                image.src = `${url}/api/v1${p}`;
              }),
          ),
        );
        return loaded.find(Boolean) ?? null;
      },
      [target],
    ),
  "put with a preflight": (page, target) =>
    page.evaluate(
      async ([url, body]) => {
        const requests = [
          ["PATCH", "/state"],
          ["PUT", "/state/patch"],
          ["DELETE", "/patches/00000000-0000-4000-8000-000000000000"],
        ];
        for (const [method, where] of requests) {
          const answer = await fetch(`${url}/api/v1${where}`, {
            method,
            headers: { "Content-Type": "application/json" },
            body,
          }).catch(() => null);
          if (answer) return `${method} was let through: ${answer.status}`;
        }
        return null;
      },
      [target, EDIT],
    ),
  "websocket from another page": (page, target) =>
    page.evaluate(
      ([url]) =>
        new Promise((resolve) => {
          const socket = new WebSocket(
            `${url.replace("http", "ws")}/ws`,
            "timbred.v1",
          );
          socket.onopen = () => {
            socket.send(
              '{"type":"hello","token":"","topics":["state","telemetry"]}',
            );
            setTimeout(() => resolve("the handshake was accepted"), 1000);
          };
          socket.onmessage = (m) => resolve(String(m.data).slice(0, 80));
          socket.onerror = () => resolve(null);
        }),
      [target],
    ),
  "a page in a frame": async (page, target) => {
    await page.evaluate(
      ([url]) => {
        document.body.innerHTML = `<iframe src="${url}/" width="800" height="600"></iframe>`;
      },
      [target],
    );
    await page.waitForTimeout(1000);
    const frame = page.frames().find((f) => f !== page.mainFrame());
    const text = await frame
      ?.evaluate(() => document.body?.innerText ?? "")
      .catch(() => "");
    return frame && /timbred/i.test(text ?? "") ? "the panel was shown" : null;
  },
};

/* DNS rebinding: a name of the attacker's that now means us, so that the page is of our origin. */
async function rebinding(browser, daemon) {
  const page = await browser.newPage();
  const answer = await page
    .goto(`http://rebind.example:${daemon.port}/`)
    .catch(() => null);
  const status = answer?.status();
  if (status === 200) return "the panel answered to a foreign name";
  const api = await page
    .evaluate(() => fetch("/api/v1/health").then((r) => r.status))
    .catch(() => null);
  await page.close();
  return api === 200 ? "the API answered to a foreign name" : null;
}

/* Names of patches are text, whatever they look like. */
async function hostileNames(browser, daemon) {
  const tags = [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    '"><svg onload=alert(1)>',
  ];
  const more = [
    "javascript:alert(1)",
    "{{7*7}}",
    "${alert(1)}",
    "<a href=//evil.example>x</a>",
  ];
  const names = [
    ...tags,
    ...more,
    '<iframe srcdoc="<script>alert(1)</script>">',
    "&lt;b&gt;",
  ];
  for (const name of names) {
    const answer = await daemon.call("POST", "/patches", {
      name,
      category: "x",
      comment: name,
    });
    if (answer.status !== 201) return `${name}: ${answer.status}`;
  }
  const page = await browser.newPage();
  const faults = [];
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("request", (r) => {
    const { hostname, protocol } = new URL(r.url());
    if (protocol.startsWith("http") && hostname !== "127.0.0.1")
      faults.push(r.url());
  });
  await page.goto(`${daemon.base}/#token=${daemon.token}`);
  await page.waitForTimeout(2500);
  const shown = await page.evaluate(() => document.body.innerText);
  const made = await page.evaluate(
    () => document.querySelectorAll('img[src="x"], svg[onload], iframe').length,
  );
  await page.close();
  if (made) faults.push(`${made} elements came out of names`);
  if (!shown.includes("onerror=alert") && !shown.includes("alert(1)"))
    console.log("note: the names were not on the first screen");
  return faults[0] ?? null;
}

const daemon = await startDaemon(process.argv[2] ?? "build/server/timbred");
const evil = http
  .createServer((_, answer) => {
    answer.setHeader("Content-Type", "text/html");
    answer.end("<!doctype html><title>evil</title><body></body>");
  })
  .listen(0, "127.0.0.1");
await new Promise((resolve) => evil.once("listening", resolve));
const browser = await playwright.chromium.launch({
  executablePath: chromium,
  args: [
    "--no-sandbox",
    "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP rebind.example 127.0.0.1",
    "--disable-features=LocalNetworkAccessChecks,BlockInsecurePrivateNetworkRequests",
  ],
});
let failed = 0;
const report = (name, got) => {
  failed += got ? 1 : 0;
  console.log(`${got ? "FAIL" : "ok  "} ${name}${got ? `: ${got}` : ""}`);
};
try {
  for (const [name, attack] of Object.entries(ATTACKS)) {
    const page = await browser.newPage();
    await page.goto(`http://evil.example:${evil.address().port}/`);
    const before = await snapshot(daemon);
    const got = await attack(page, daemon.base);
    const after = await snapshot(daemon);
    report(name, got ?? (before === after ? null : "something changed"));
    await page.close();
  }
  report("rebinding", await rebinding(browser, daemon));
  report("hostile names", await hostileNames(browser, daemon));
} finally {
  await browser.close();
  evil.close();
  await daemon.stop();
}
console.log(`${Object.keys(ATTACKS).length + 2} attacks, ${failed} succeeded`);
process.exit(failed ? 1 : 0);
