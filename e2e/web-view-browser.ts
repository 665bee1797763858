// A headless Chromium for tests of the web view: what it asks of the network and what it complains about is written down.
import axe from "axe-core";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";
import { findBrowser, noBrowser } from "./browser-program.ts";

export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  /** Hosts that anything was asked of. */
  readonly hosts: ReadonlySet<string>;
  /** Errors of the page, and what its policy forbade. */
  readonly complaints: readonly string[];
}

/** The Debian package `chromium` brings it. Rejects where there is none on the PATH. */
export async function startBrowser(): Promise<Browser> {
  const executablePath = findBrowser();
  if (executablePath === undefined) throw new Error(`${noBrowser}: install chromium`);
  const args = ["--disable-gpu", "--font-render-hinting=none", "--disable-lcd-text", "--force-color-profile=srgb"];
  return chromium.launch({
    executablePath,
    timeout: 180_000,
    // Chromium's own sandbox does not run as root.
    args: process.getuid?.() === 0 ? [...args, "--no-sandbox"] : args,
  });
}

export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const hosts = new Set<string>();
  const complaints: string[] = [];
  context.on("request", (request) => hosts.add(new URL(request.url()).hostname));
  const page = await context.newPage();
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // That a stream was refused is said by the page itself.
    if (message.type() === "error" && !/status of (401|403)/.test(message.text())) complaints.push(message.text());
  });
  // Long: a machine that is busy is late, not wrong.
  page.setDefaultTimeout(90_000);
  return { page, hosts, complaints, [Symbol.asyncDispose]: () => context.close() };
}

/** What axe finds against WCAG 2.2 A and AA, and its best practices, one line each. */
export async function accessibilityFaults(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const lines =
    "violations.flatMap((one) => one.nodes.map((node) => one.id + ': ' + node.html.slice(0, 200) + ' ' + node.failureSummary))";
  const found: unknown = await page.evaluate(`axe.run(document).then(({ violations }) => ${lines})`);
  return Array.isArray(found) ? found.map(String) : [`axe answered ${String(found)}`];
}
