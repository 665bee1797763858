// Which names objects may have.
import type { Resource } from "./api-data.ts";
import { type Cause, invalidValue } from "./api-error.ts";
import { label, labelRule } from "./pod-rules.ts";

const label1035 = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const subdomain = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const subdomainRule =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const label1035Rule =
  "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";

export function nameFault(resource: Resource, name: string): readonly Cause[] {
  const fault = (why: string): readonly Cause[] => [invalidValue("metadata.name", name, why)];
  if (["rbac.authorization.k8s.io", "apiregistration.k8s.io"].includes(resource.group)) {
    const bad = name === "." || name === ".." || /[/%]/.test(name);
    return bad ? fault("may not contain '/' or '%'") : [];
  }
  if (resource.key === "namespaces") return label.test(name) ? [] : fault(labelRule);
  if (resource.key === "services") return label1035.test(name) ? [] : fault(label1035Rule);
  if (name.length > 253) return fault("must be no more than 253 bytes");
  // `signer.domain:path:name`
  const own = resource.key === "clustertrustbundles.certificates.k8s.io" ? name.slice(name.lastIndexOf(":") + 1) : name;
  return subdomain.test(own) ? [] : fault(subdomainRule);
}
