// What to type next, in another terminal: lines that work as they stand. Pure.
import { quote } from "./own-command.ts";

export interface HintOptions {
  readonly kubeconfig?: string | undefined;
  readonly context?: string | undefined;
  /** The program as it can be typed. */
  readonly own: string;
  /** Sub-commands find the cluster by themselves. */
  readonly isFound: boolean;
  readonly hasKubectl: boolean;
  readonly node: string;
  readonly logFile: string;
  readonly configFile: string;
  readonly metrics?: string | undefined;
  readonly webView?: string | undefined;
}

export function hintText(options: HintOptions): string {
  const { webView, metrics, logFile, configFile, hasKubectl } = options;
  const sections: string[] = [];
  if (webView !== undefined) sections.push(`In a browser:\n\n  ${webView}`);
  const kubectl = block(kubectlLines(options));
  const own = block(ownLines(options));
  if (hasKubectl) sections.push(`Try in another terminal:\n\n${kubectl}`, `The same without kubectl:\n\n${own}`);
  else
    sections.push(
      `Try in another terminal:\n\n${own}`,
      `With kubectl, once you have it (https://kubernetes.io/docs/tasks/tools/):\n\n${kubectl}`,
    );
  const looks = [
    `${quote(logFile)}  the program's log`,
    `${quote(configFile)}  its configuration, for \`virtual-kubelet --config\``,
    ...(metrics === undefined ? [] : [`http://${metrics}/metrics  its metrics`]),
  ];
  sections.push(`To look at:\n\n${block(looks)}`, "Ctrl-C stops and deletes what was made here.");
  return `\n${sections.join("\n\n")}\n`;
}

const block = (lines: readonly string[]): string => lines.map((line) => `  ${line}`).join("\n");

function kubectlLines({ kubeconfig, context, node }: HintOptions): readonly string[] {
  const command = context === undefined ? "kubectl" : `kubectl --context ${quote(context)}`;
  return [
    ...(kubeconfig === undefined ? [] : [`export KUBECONFIG=${quote(kubeconfig)}`]),
    `${command} get pods -o wide`,
    `${command} logs -f deployment/sample-web`,
    `${command} exec -it deployment/sample-web -- sh`,
    `${command} scale deployment sample-web --replicas=10`,
    `${command} delete pod -l app=sample-web --wait=false`,
    `${command} describe node ${node}`,
  ];
}

function ownLines({ own, isFound, kubeconfig, context }: HintOptions): readonly string[] {
  const cluster = isFound
    ? ""
    : [
        ...(kubeconfig === undefined ? [] : [` --kubeconfig ${quote(kubeconfig)}`]),
        ...(context === undefined ? [] : [` --context ${quote(context)}`]),
      ].join("");
  return [
    `${own} get pods -o wide${cluster}`,
    `${own} logs -f deployment/sample-web${cluster}`,
    `${own} exec -it deployment/sample-web${cluster} -- sh`,
  ];
}
