// Settings of the lookups of images.
import * as v from "valibot";
import { word } from "../config-word.ts";

export interface ImageLookupsConfig {
  /** Hosts, `*` for any part. None: no registry is asked. */
  readonly hosts: readonly string[];
  /** Where they are not at `https://<host>`. `registry` "": of images whose name has none. */
  readonly endpoints: readonly { readonly registry: string; readonly url: string }[];
  /** PEM of an authority to trust beside the system's. */
  readonly caFile: string;
}

export const imageLookups: v.GenericSchema<unknown, ImageLookupsConfig> = v.optional(
  v.strictObject({
    hosts: v.optional(v.array(word("a host, with * for any part", /^[\w.*:-]+$/)), ["*"]),
    endpoints: v.optional(
      v.array(
        v.strictObject({
          registry: word('a host as in names of images, or ""', /^([\w.-]+(:\d+)?)?$/),
          url: word("a URL like https://host", /^https:\/\/[^\s/]+\/?$/),
        }),
      ),
      [],
    ),
    caFile: v.optional(v.string("must be a path"), ""),
  }),
  {},
);
