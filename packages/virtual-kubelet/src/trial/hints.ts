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

/** Short, for the live view comes below it. */
export function hintText(options: HintOptions): string {
  const { webView, metrics, logFile, configFile, hasKubectl } = options;
  const kubectl = kubectlLines(options);
  const own = ownLines(options);
  return [
    "",
    ...(webView === undefined ? [] : [`In a browser: ${webView}`, ""]),
    ...(hasKubectl
      ? ["In another terminal:", block(kubectl), "The same without kubectl:", block(own)]
      : [
          "In another terminal:",
          block(own),
          "With kubectl, once you have it (https://kubernetes.io/docs/tasks/tools/):",
          block(kubectl),
        ]),
    "",
    `Log: ${logFile}`,
    `Configuration, for \`virtual-kubelet --config\`: ${configFile}`,
    ...(metrics === undefined ? [] : [`Metrics: http://${metrics}/metrics`]),
    "",
    "Ctrl-C stops and deletes what was made here.",
    "",
  ].join("\n");
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
