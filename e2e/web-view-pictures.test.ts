// How the web view looks: pictures of a state that never changes, compared with those stored, and rules of accessibility, light and dark.
// UPDATE_PICTURES=1 stores what is seen.
import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import pixelmatch from "pixelmatch";
import type { Browser } from "playwright-core";
import { PNG } from "pngjs";
import { silentLogger } from "../packages/virtual-kubelet/src/log.ts";
import { createMetrics } from "../packages/virtual-kubelet/src/metrics.ts";
import { WebView } from "../packages/virtual-kubelet/src/view/web-view.ts";
import { accessibilityFaults, type OpenPage, openPage, startBrowser } from "./web-view-browser.ts";
import { fixedNow, fixedState } from "./web-view-fixture.ts";

const stored = join(import.meta.dirname, "web-view-pictures");
/** Letters are smoothed otherwise on another machine: so much of a picture may differ, by more than so much of a colour. */
const toleratedShare = 0.005;
const toleratedColour = 0.2;

let browser: Browser;
let server: Server;
let url = "";

before(async () => {
  const view = new WebView({ metrics: createMetrics(), log: silentLogger, version: "1.2.3", loopback: true });
  server = createServer((request, response) => {
    view.answer(request, response, { secure: false, certificate: undefined }).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const bound = server.address();
  assert.ok(bound !== null && typeof bound !== "string");
  url = `http://127.0.0.1:${bound.port}/view/`;
  browser = await startBrowser();
});

after(async () => {
  try {
    await browser?.close();
  } finally {
    server?.closeAllConnections();
    server?.close();
  }
});

interface Look {
  readonly name: string;
  readonly scheme: "light" | "dark";
  readonly width: number;
  readonly height: number;
}

/** The page with the fixed state, at the fixed time, in letters that Debian has. */
async function open({ scheme, width, height }: Look): Promise<OpenPage> {
  const opened = await openPage(browser, {
    viewport: { width, height },
    colorScheme: scheme,
    reducedMotion: "reduce",
    // For the font alone.
    bypassCSP: true,
  });
  const { page } = opened;
  await page.clock.setFixedTime(fixedNow);
  const body = `event: state\ndata: ${JSON.stringify(fixedState)}\n\n`;
  await page.route("**/view/api/stream?**", (route) => route.fulfill({ contentType: "text/event-stream", body }));
  await page.goto(`${url}#pod=${fixedState.pods.rows[0]?.uid}`);
  await page.addStyleTag({ content: 'body { font-family: "DejaVu Sans"; } :root { --mono: "DejaVu Sans Mono"; }' });
  await page.locator("#timeline tr").first().waitFor();
  return opened;
}

const looks: readonly Look[] = [
  { name: "light", scheme: "light", width: 1280, height: 1000 },
  { name: "dark", scheme: "dark", width: 1280, height: 1000 },
  { name: "narrow", scheme: "light", width: 390, height: 1400 },
];

for (const look of looks) {
  test(`${look.name}: as it is stored, accessible, and no wider than the page`, async () => {
    await using opened = await open(look);
    const { page, complaints, hosts } = opened;
    const picture = await page.screenshot({ animations: "disabled" });
    // The same page: its rules are checked once for each scheme.
    if (look.name === look.scheme) assert.deepEqual(await accessibilityFaults(page), []);
    const tooWide = await page.evaluate(
      "[document.documentElement, ...document.querySelectorAll('.scroll')].filter((one) => one.scrollWidth > one.clientWidth).length",
    );
    assert.equal(tooWide, 0);
    assert.deepEqual(complaints, []);
    assert.deepEqual([...hosts], ["127.0.0.1"]);
    await compare(`${look.name}.png`, picture);
  });
}

test("a connection that is lost is told, and taken up again", async () => {
  await using opened = await openPage(browser);
  const { page } = opened;
  const body = `event: state\ndata: ${JSON.stringify(fixedState)}\n\n`;
  let isAway = false;
  await page.route("**/view/api/stream?**", (route) =>
    isAway ? route.abort("connectionrefused") : route.fulfill({ contentType: "text/event-stream", body }),
  );
  await page.goto(url);
  await page.getByText("Live", { exact: true }).waitFor();
  isAway = true;
  await page.getByText(/^Lost, trying again: /).waitFor();
  await page.getByRole("status").filter({ hasText: "The connection is lost" }).waitFor({ state: "attached" });
  // What was last known stays.
  assert.equal(await page.getByRole("link", { name: /search-0/ }).isVisible(), true);
  isAway = false;
  await page.getByText("Live", { exact: true }).waitFor();
});

async function compare(name: string, picture: Buffer): Promise<void> {
  const file = join(stored, name);
  if (process.env["UPDATE_PICTURES"] === "1") {
    await mkdir(stored, { recursive: true });
    await writeFile(file, picture);
    return;
  }
  const seen = PNG.sync.read(picture);
  const wanted = PNG.sync.read(await readFile(file));
  const { width, height } = wanted;
  assert.deepEqual([seen.width, seen.height], [width, height]);
  const difference = new PNG({ width, height });
  const options = { threshold: toleratedColour };
  const different = pixelmatch(seen.data, wanted.data, difference.data, width, height, options);
  const share = different / (width * height);
  if (share <= toleratedShare) return;
  const base = join(tmpdir(), `web-view-${process.pid}-${name.replace(".png", "")}`);
  await writeFile(`${base}.png`, picture);
  await writeFile(`${base}-difference.png`, PNG.sync.write(difference));
  assert.fail(`${(share * 100).toFixed(2)} % of ${name} differ: see ${base}.png and ${base}-difference.png`);
}
