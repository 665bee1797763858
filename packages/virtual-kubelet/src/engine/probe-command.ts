// Commands of exec probes: $(NAME) stands for a variable of the container as its spec has it. Pure.
import type { Container } from "../kube/types.gen.ts";

/** Variables whose values come from elsewhere are empty, unknown names stay as written; $$ stands for $. */
export function expandCommand(command: readonly string[], { env }: Pick<Container, "env">): readonly string[] {
  const values = new Map((env ?? []).map(({ name, value }) => [name, value ?? ""]));
  return command.map((word) =>
    word.replaceAll(/\$\$|\$\(([^)]*)\)/g, (written, name: string | undefined) =>
      name === undefined ? "$" : (values.get(name) ?? written),
    ),
  );
}
