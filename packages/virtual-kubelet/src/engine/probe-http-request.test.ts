import assert from "node:assert/strict";
import { test } from "node:test";
import type { HTTPGetAction, HTTPHeader } from "../kube/types.gen.ts";
import { type HttpGetRequest, headerFault, httpGetRequest, redirectOf, urlOf } from "./probe-http-request.ts";

const container = { name: "c", ports: [{ name: "web", containerPort: 8080 }] };

function requestFor(action: Partial<HTTPGetAction>, podIPs: readonly string[] = ["10.0.0.1"]): HttpGetRequest {
  return httpGetRequest({ port: 80, ...action }, { container, podIPs }, "kube-probe/1.36");
}

test("addresses and paths", () => {
  const table: readonly [Partial<HTTPGetAction>, string][] = [
    [{}, "http://10.0.0.1:80/"],
    [{ path: "/healthz" }, "http://10.0.0.1:80/healthz"],
    [{ path: "healthz" }, "http://10.0.0.1:80/healthz"],
    [{ port: "web", scheme: "HTTP" }, "http://10.0.0.1:8080/"],
    [{ scheme: "HTTPS", port: 443 }, "https://10.0.0.1:443/"],
    [{ host: "example.com" }, "http://example.com:80/"],
    [{ path: "/a?b=c&d=%20" }, "http://10.0.0.1:80/a?b=c&d=%20"],
    [{ path: "?b=c" }, "http://10.0.0.1:80/?b=c"],
    [{ path: "/a#b" }, "http://10.0.0.1:80/a"],
    [{ path: "http://evil.example:1/a" }, "http://10.0.0.1:80/a"],
    [{ path: "//evil.example/a?b" }, "http://10.0.0.1:80/a?b"],
    [{ path: "/../a/./b" }, "http://10.0.0.1:80/../a/./b"],
    [{ path: "/a b/ü" }, "http://10.0.0.1:80/a%20b/%C3%BC"],
    [{ path: "/%zz?a" }, "http://10.0.0.1:80/%25zz%3Fa"],
    [{ path: "/a HTTP/1.1\r\nX: y" }, "http://10.0.0.1:80/a%20HTTP/1.1%0D%0AX:%20y"],
  ];
  for (const [action, url] of table) assert.equal(urlOf(requestFor(action)), url);
  assert.equal(urlOf(requestFor({}, ["fd00::1"])), "http://[fd00::1]:80/");
  assert.throws(() => requestFor({ port: "nope" }), { kind: "Invalid" });
  assert.throws(() => requestFor({}, []), { kind: "Unavailable" });
});

test("header lines", () => {
  const standard = ["Host: 10.0.0.1:80", "User-Agent: kube-probe/1.36", "Accept: */*"];
  const [host = "", agent = "", accept = ""] = standard;
  const table: readonly [readonly (readonly [string, string])[], readonly string[]][] = [
    [[], standard],
    [[["x-custom", "v"]], [host, "X-Custom: v", agent, accept]],
    [
      [
        ["X-A", "1"],
        ["x-a", "2"],
      ],
      [host, "X-A: 1", "X-A: 2", agent, accept],
    ],
    [[["host", "example.com"]], ["Host: example.com", agent, accept]],
    [
      [
        ["Host", "first.example"],
        ["Host", "second.example"],
      ],
      ["Host: first.example", agent, accept],
    ],
    [[["Host", ""]], standard],
    [[["user-agent", "mine"]], [host, "User-Agent: mine", accept]],
    [[["User-Agent", ""]], [host, accept]],
    [[["Accept", "text/plain"]], [host, "Accept: text/plain", agent]],
    [[["Accept", ""]], [host, agent]],
    [
      [
        ["content-length", "5"],
        ["Transfer-Encoding", "chunked"],
        ["Trailer", "x"],
      ],
      standard,
    ],
    [[["__proto__", "x"]], [host, "__proto__: x", agent, accept]],
    [[["X-A", "ü"]], [host, "X-A: \xc3\xbc", agent, accept]],
  ];
  for (const [given, lines] of table) {
    const httpHeaders = given.map(([name, value]): HTTPHeader => ({ name, value }));
    const { headers } = requestFor({ httpHeaders });
    assert.deepEqual(
      headers.map(([name, value]) => `${name}: ${value}`),
      lines,
    );
  }
});

test("headers that would become other headers are not sent", () => {
  const table: readonly [string, string, string | undefined][] = [
    ["X-A", "1\r\nX-B: 2", 'net/http: invalid header field value for "X-A"'],
    ["X-A", "1\u0000", 'net/http: invalid header field value for "X-A"'],
    ["X-A", "1\t2", undefined],
    ["X-A: 1\r\nX-B", "2", 'net/http: invalid header field name "X-A: 1\\r\\nX-B"'],
    ["", "2", 'net/http: invalid header field name ""'],
    ["Host", "a\r\nb", "http: invalid Host header"],
    ["Host", "a b", "http: invalid Host header"],
  ];
  for (const [name, value, fault] of table)
    assert.equal(headerFault(requestFor({ httpHeaders: [{ name, value }] })), fault);
});

test("redirects are followed within the host", () => {
  const table: readonly [string, string][] = [
    ["/b", "http://10.0.0.1:80/b Host 10.0.0.1"],
    ["b?c", "http://10.0.0.1:80/a/b?c Host 10.0.0.1"],
    ["http://10.0.0.1:81/", "http://10.0.0.1:81/ Host 10.0.0.1:81"],
    ["https://10.0.0.1/x", "https://10.0.0.1:443/x Host 10.0.0.1"],
    ["http://10.0.1/x", "http://10.0.0.1:80/x Host 10.0.0.1"],
    ["http://10.0.0.2/", "stop"],
    ["//example.com/", "stop"],
    ["http://[::1]/", "stop"],
    ["ftp://10.0.0.1/", 'fault unsupported protocol scheme "ftp"'],
    ["http://[", 'fault failed to parse Location header "http://["'],
  ];
  for (const [location, expected] of table) {
    const redirect = redirectOf(requestFor({ path: "/a/a" }), location);
    const text =
      redirect.type === "follow"
        ? `${urlOf(redirect.request)} ${redirect.request.headers[0]?.join(" ")}`
        : redirect.type === "fault"
          ? `fault ${redirect.text}`
          : "stop";
    assert.equal(text, expected, location);
  }
});

test("a Host of the handler's goes along with relative redirects alone", () => {
  const request = requestFor({ httpHeaders: [{ name: "Host", value: "mine.example" }] });
  const hostAfter = (location: string): string | undefined => {
    const redirect = redirectOf(request, location);
    return redirect.type === "follow" ? redirect.request.headers[0]?.[1] : redirect.type;
  };
  assert.equal(hostAfter("/b"), "mine.example");
  assert.equal(hostAfter("http://10.0.0.1/b"), "10.0.0.1");
  assert.equal(hostAfter("http://mine.example/b"), "stop");
});

test("an IPv6 host is the same in all its spellings", () => {
  const request = requestFor({}, ["fd00:0:0::1"]);
  assert.equal(redirectOf(request, "http://[fd00::1]/").type, "follow");
  assert.equal(redirectOf(request, "http://[fd00::2]/").type, "stop");
});
