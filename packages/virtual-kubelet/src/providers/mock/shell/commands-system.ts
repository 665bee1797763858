// Commands that tell about the container, the user and the terminal.
import { type Command, fail, say } from "./process.ts";

const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const date: Command = async (process) => {
  const now = new Date(process.machine.clock.now());
  const iso = now.toISOString();
  const [format] = process.args.filter((arg) => arg !== "-u");
  if (format === undefined) {
    const day = String(now.getUTCDate()).padStart(2, " ");
    const text = `${days[now.getUTCDay()]} ${months[now.getUTCMonth()]} ${day} ${iso.slice(11, 19)} UTC ${iso.slice(0, 4)}`;
    return await say(process, `${text}\n`);
  }
  if (!format.startsWith("+")) return await fail(process, "usage: date [-u] [+FORMAT]");
  const fields: Readonly<Record<string, string>> = {
    "%": "%",
    F: iso.slice(0, 10),
    H: iso.slice(11, 13),
    M: iso.slice(14, 16),
    N: `${iso.slice(20, 23)}000000`,
    S: iso.slice(17, 19),
    T: iso.slice(11, 19),
    Y: iso.slice(0, 4),
    d: iso.slice(8, 10),
    m: iso.slice(5, 7),
    s: String(Math.floor(now.getTime() / 1000)),
  };
  const text = format.slice(1).replaceAll(/%(.)/g, (all: string, letter: string) => fields[letter] ?? all);
  return await say(process, `${text}\n`);
};

const env: Command = async (process) =>
  await say(process, [...process.environment].map(([name, value]) => `${name}=${value}\n`).join(""));

const printenv: Command = async (process) => {
  const [name] = process.args;
  if (name === undefined) return await env(process);
  const value = process.environment.get(name);
  return value === undefined ? 1 : await say(process, `${value}\n`);
};

const uname: Command = async (process) => {
  const parts = { s: "Linux", n: process.machine.hostname, r: "6.12.0-mock", v: "#1", m: "x86_64", o: "GNU/Linux" };
  const options = process.args.join("").replaceAll("-", "");
  const wanted = options === "" ? "s" : options.includes("a") ? "snrvmo" : options;
  const shown = Object.entries(parts).filter(([letter]) => wanted.includes(letter));
  return await say(process, `${shown.map(([, text]) => text).join(" ")}\n`);
};

const id: Command = async (process) => {
  const options = process.args.join("");
  if (options.includes("u") || options.includes("g"))
    return await say(process, options.includes("n") ? "root\n" : "0\n");
  return await say(process, "uid=0(root) gid=0(root) groups=0(root)\n");
};

const tty: Command = async (process) => {
  if (process.machine.terminal !== undefined) return await say(process, "/dev/pts/0\n");
  await say(process, "not a tty\n");
  return 1;
};

const stty: Command = async (process) => {
  const size = await process.machine.terminal?.size();
  if (size === undefined) return await fail(process, "stty: standard input: Inappropriate ioctl for device");
  const [what] = process.args;
  if (what === "size") return await say(process, `${size.height} ${size.width}\n`);
  return await say(process, `speed 38400 baud; rows ${size.height}; columns ${size.width};\n`);
};

export const systemCommands: Readonly<Record<string, Command>> = {
  date,
  env,
  false: async () => 1,
  hostname: async (process) => await say(process, `${process.machine.hostname}\n`),
  id,
  printenv,
  pwd: async (process) => await say(process, `${process.directory}\n`),
  stty,
  true: async () => 0,
  tty,
  uname,
  whoami: async (process) => await say(process, "root\n"),
};
