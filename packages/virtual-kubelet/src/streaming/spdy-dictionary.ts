// What SPDY/3 has both sides of the header compression know beforehand (draft 3.1, section 2.6.10.1): the byte string that its
// own table spells out, here as the words it consists of.

/** Each is written with its length before it, as names and values in a header block are. */
const words = [
  "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow",
  "authorization cache-control connection content-base content-encoding content-language content-length content-location",
  "content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match",
  "if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range",
  "referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get",
  "status",
].flatMap((line) => line.split(" "));
const pairs = ["200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"];

/** The rest stands there without lengths. */
const statuses = [
  "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505",
  "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden",
  "404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable",
];
const values = [
  "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT",
  "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,public",
  "privatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.",
];

export const spdyDictionary: Buffer = Buffer.concat([
  ...[...words, ...pairs].flatMap((word) => [Buffer.from([0, 0, 0, word.length]), Buffer.from(word, "latin1")]),
  Buffer.from([...statuses, ...values].join(""), "latin1"),
]);

/** Adler-32 of the dictionary: names it at the start of a compressed stream. */
export const spdyDictionaryId = 0xe3c6_a7c2;
