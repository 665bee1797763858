// What the host's own tools see of an environment: a safe path, and nothing of ours.

export const toolPath: string = "/usr/sbin:/usr/bin:/sbin:/bin";
export const toolEnvironment: Readonly<Record<string, string>> = { PATH: toolPath, SHELL: "/bin/sh", LC_ALL: "C" };
