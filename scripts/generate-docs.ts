// Writes what is generated of the docs: docs/providers.md, and the table of routes in docs/kubelet-api.md.
import { readFileSync, writeFileSync } from "node:fs";
import { providersPage } from "./docs/providers-page.ts";
import { withRoutes } from "./docs/routes-page.ts";

const docs = new URL("../docs/", import.meta.url);
writeFileSync(new URL("providers.md", docs), await providersPage());
const routes = new URL("kubelet-api.md", docs);
writeFileSync(routes, withRoutes(readFileSync(routes, "utf8")));
