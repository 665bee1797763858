// The shell scripts of one run: the supervisor, which outlives the program, and what the container's first process does before
// it becomes the container's command. Pure: text from a plan.
import { toolPath } from "../../host/tool-environment.ts";
import { newTerminals } from "./mount-script.ts";
import { shellWord, shellWords } from "./shell-quote.ts";

export interface RunPlan {
  /** Of the run, absolute. */
  readonly directory: string;
  /** In namespaces of its own; else a plain process of the host. */
  readonly namespaces: boolean;
  /** Of unshare: which namespaces. */
  readonly unshare: readonly string[];
  /** File that holds the network namespace it is in; undefined: ours. */
  readonly network?: string | undefined;
  /** Join the pid namespace of this process first. */
  readonly joinPid?: number | undefined;
  readonly tty: boolean;
  /** With `tty`: the terminal is one of its own /dev/pts, not of the host's. */
  readonly ownTerminals: boolean;
  readonly stdin: boolean;
  /** Who owns the pipes of its output; undefined: we ourselves. */
  readonly owner?: string | undefined;
  /** Directories of its cgroups. */
  readonly cgroups: readonly string[];
  /** "NAME=value" in the environment of its processes; by that they are found when there is neither pid namespace nor cgroup. */
  readonly marker?: string | undefined;
  readonly oomScoreAdj?: number | undefined;
  /** Lines of shell that make its file system, within its mount namespace. May call `fail`. */
  readonly setup: readonly string[];
  readonly command: readonly string[];
  readonly enter: EnterPlan;
}

/** How a process comes to be as one of the container: environment, user, root, directory. */
export interface EnterPlan {
  readonly env: readonly { readonly name: string; readonly value: string }[];
  /** Given when we are root. */
  readonly user?: { readonly uid: number; readonly gid: number; readonly groups: readonly number[] } | undefined;
  /** Absolute path of its root; undefined: the host's. */
  readonly root?: string | undefined;
  readonly workingDir: string;
  readonly noNewPrivileges: boolean;
  /** Names without CAP_, in lower case, that stay; undefined: all. */
  readonly capabilities?: readonly string[] | undefined;
}

const path = `PATH=${toolPath}`;

/**
 * Started in a session of its own. Takes the run for itself (a run never begins twice), carries its output into files,
 * waits, ends what is left of it, and writes down how it ended.
 */
export function supervisorScript(plan: RunPlan): string {
  const { directory, tty, stdin } = plan;
  const namespaces = plan.unshare.length > 0 ? `unshare ${shellWords(plan.unshare)} ` : "";
  const network = plan.network === undefined ? "" : `nsenter ${shellWord(`--net=${plan.network}`)} `;
  const joined = plan.joinPid === undefined ? "" : `nsenter --target ${plan.joinPid} --pid `;
  // What makes the namespaces must not be what waits: it would not pass on every signal as it was. A shell between them
  // stays in the old pid namespace; its one child is the first process of the new one. What it says itself is not the container's.
  const script = shellWord(`${directory}/init.sh`);
  const first = plan.unshare.includes("--pid")
    ? `/bin/sh -c 'exec 7>&2 2>/dev/null; (exec /bin/sh "$0" 2>&7 7>&-); exit $?' ${script}`
    : `/bin/sh ${script}`;
  const main = `${network}${joined}${namespaces}${first}`;
  const input = stdin || tty ? "<in" : "</dev/null";
  return [
    "# Looks after one run of a container.",
    "umask 077",
    path,
    `cd ${shellWord(directory)} || exit 1`,
    "read -r stat </proc/self/stat && set -- $stat",
    "read -r boot </proc/sys/kernel/random/boot_id",
    `echo "$1 \${22} $boot" >"claim.$1" || exit 1`,
    'ln "claim.$1" claim 2>/dev/null; taken=$?',
    'rm -f "claim.$1"',
    '[ "$taken" = 0 ] || exit 0',
    "mkfifo -m 600 out err in",
    ...(plan.owner === undefined ? [] : [`chown ${shellWord(plan.owner)} out err`]),
    "cat <out >>stdout & first=$!",
    "cat <err >>stderr & second=$!",
    'echo "$first $second" >carriers',
    // Holds the pipe of the input open for as long as nobody is attached.
    ...(stdin || tty
      ? ["sleep 2147483647 3<>in </dev/null >/dev/null 2>&1 & holder=$!", 'echo "$holder" >holder']
      : []),
    // In a shell of its own, or what this one says of a process that was killed would be in the container's output.
    tty
      ? `(exec setsid ${terminal(plan.ownTerminals, `script -q -e -f -c ${shellWord(`exec ${main}`)} /dev/null`)} ${input} >out 2>err)`
      : `(exec setsid ${main} ${input} >out 2>err)`,
    "code=$?",
    'echo "$code" >code',
    ...sweep(plan),
    ...(stdin || tty ? ['[ -e holder ] && kill "$holder" 2>/dev/null'] : []),
    "wait",
    "rm -f out err in",
    'echo "$code" >exit',
    "",
  ].join("\n");
}

/** What makes the terminal is not in the container's namespaces, but must see its devices. */
function terminal(own: boolean, script: string): string {
  if (!own) return script;
  return `unshare --mount /bin/sh -c ${shellWord(`${newTerminals("/dev/pts")} && exec ${script}`)}`;
}

function sweep({ cgroups, marker }: RunPlan): readonly string[] {
  const lists = [
    ...cgroups.map(
      (cgroup) => `[ -r ${shellWord(`${cgroup}/cgroup.procs`)} ] && cat ${shellWord(`${cgroup}/cgroup.procs`)}`,
    ),
    ...(marker === undefined
      ? []
      : [
          `grep -zlxFs -e ${shellWord(marker)} /proc/[0-9]*/environ | while IFS=/ read -r _ _ pid _; do echo "$pid"; done`,
        ]),
  ];
  if (lists.length === 0) return [];
  return [
    `left() { ${lists.join("; ")}; }`,
    "turns=0",
    'while pids=$(left) && [ -n "$pids" ] && [ "$turns" -lt 100 ]; do',
    "  kill -KILL $pids 2>/dev/null",
    '  turns=$((turns + 1)); [ "$turns" = 1 ] || sleep 0.05',
    "done",
  ];
}

/** First process of the container: joins its cgroups, makes its file system, says who it is, becomes the command. */
export function initScript(plan: RunPlan): string {
  const { directory } = plan;
  const file = (name: string): string => shellWord(`${directory}/${name}`);
  return [
    "# Becomes the command of one run of a container.",
    path,
    `fail() { echo "$1" >${file("error")}; exit 128; }`,
    ...plan.cgroups.map(
      (cgroup) =>
        `echo 0 >${shellWord(`${cgroup}/cgroup.procs`)} || fail ${shellWord(`cannot join the cgroup ${cgroup}`)}`,
    ),
    "read -r stat </proc/self/stat && set -- $stat",
    `pid="$1 \${22}"`,
    ...(plan.oomScoreAdj === undefined
      ? []
      : [
          `echo ${plan.oomScoreAdj} >/proc/self/oom_score_adj || fail ${shellWord(`cannot set oom_score_adj to ${plan.oomScoreAdj}`)}`,
        ]),
    // What follows may hide the state directory.
    `exec 8>${file("pid")} 9<${file("enter.sh")} || fail 'cannot open the files of the run'`,
    // Of what is made in the container's file system.
    "umask 022",
    ...plan.setup,
    'echo "$pid" >&8',
    "exec 8>&-",
    `set -- ${shellWords(plan.command)}`,
    plan.namespaces ? ". /proc/self/fd/9" : `. ${file("enter.sh")}`,
    "",
  ].join("\n");
}

/** What the dynamic loader heeds must not come before the privileges are gone; what a shell heeds not before it is gone. */
const loader =
  /^(LD_|GLIBC_TUNABLES$|GCONV_PATH$|GETCONF_DIR$|HOSTALIASES$|LOCALDOMAIN$|LOCPATH$|MALLOC_|NIS_PATH$|NLSPATH$|RESOLV_HOST_CONF$|RES_OPTIONS$|TMPDIR$|TZDIR$)/;
const shell =
  /^(IFS|OPTIND|PPID|UID|EUID|GROUPS|SHELLOPTS|BASHOPTS|BASH.*|LINENO|RANDOM|SECONDS|DIRSTACK|FUNCNAME|HISTCMD|PS[0-9]|ENV|PWD|OLDPWD|POSIXLY_CORRECT|SHLVL|_)$/;

/** Sourced with the command as "$@": becomes it. Run by commands in the container too. Fd 9 or 3, when open, is this file. */
export function enterScript(plan: EnterPlan): string {
  const plain = plan.env.filter(({ name }) => isPlain(name));
  const others = plan.env.filter(({ name }) => !isPlain(name));
  const through =
    others.length === 0 ? "" : `/usr/bin/env ${shellWords(others.map(({ name, value }) => `${name}=${value}`))} `;
  const directory = shellWord(plan.workingDir);
  return [
    "umask 022",
    ...(plan.user === undefined
      ? ["[ -t 0 ] && export TERM=xterm"]
      : [`[ -t 0 ] && export TERM=xterm && chown ${plan.user.uid} "$(tty)" 2>/dev/null`]),
    ...(plan.root === undefined
      ? [`cd ${directory} || { echo "cannot change to the working directory" >&2; exit 126; }`]
      : []),
    "unset OLDPWD SHLVL SHELL LC_ALL PATH PWD",
    ...plain.map(({ name, value }) => `export ${name}=${shellWord(value)}`),
    `exec ${becoming(plan)}${through}"$@" 3<&- 8>&- 9<&-`,
    "",
  ].join("\n");
}

function isPlain(name: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && !loader.test(name) && !shell.test(name);
}

function becoming({ user, root, workingDir, noNewPrivileges, capabilities }: EnterPlan): string {
  const options: string[] = [];
  if (noNewPrivileges) options.push("--no-new-privs");
  if (capabilities !== undefined) {
    // A change of root and user needs these, until both are done.
    const kept = new Set([...capabilities, ...(root === undefined ? [] : ["sys_chroot", "setuid"])]);
    options.push(`--bounding-set=-all${[...kept].map((name) => `,+${name}`).join("")}`, "--inh-caps=-all");
  }
  if (user !== undefined) {
    options.push("--regid", String(user.gid));
    options.push(...(user.groups.length === 0 ? ["--clear-groups"] : ["--groups", user.groups.join(",")]));
    if (root === undefined) options.push("--reuid", String(user.uid));
  }
  const privileges = options.length === 0 ? "" : `/usr/bin/setpriv ${options.join(" ")} -- `;
  if (root === undefined) return privileges;
  const uid = user === undefined || user.uid === 0 ? "" : ` --setuid=${user.uid}`;
  return `${privileges}/usr/bin/unshare --root=${shellWord(root)} --wd=${shellWord(workingDir)}${uid} -- `;
}
