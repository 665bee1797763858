// Opens a page in the user's browser, by the system's own opener.
import { spawn } from "node:child_process";

/** The opener and what it is given. Pure. */
export function opener(platform: NodeJS.Platform, url: string): readonly [string, ...string[]] {
  if (platform === "darwin") return ["open", url];
  if (platform === "win32") return ["rundll32", "url.dll,FileProtocolHandler", url];
  return ["xdg-open", url];
}

/** Resolves to why it could not be opened; undefined where an opener was started, or ended well. */
export async function openBrowser(url: string): Promise<string | undefined> {
  const [program, ...args] = opener(process.platform, url);
  const { promise, resolve } = Promise.withResolvers<string | undefined>();
  const child = spawn(program, args, { stdio: "ignore", detached: true });
  child.once("error", (error) => resolve(error.message));
  child.once("exit", (code) => resolve(code === 0 ? undefined : `${program} ended with code ${code}`));
  // Some openers last as long as the browser.
  const timer = setTimeout(() => resolve(undefined), 700);
  child.unref();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
