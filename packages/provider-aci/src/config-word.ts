// Text of a setting that has to be in a form, which its fault names.
import * as v from "valibot";

export function word(what: string, pattern: RegExp): v.GenericSchema<string, string> {
  return v.pipe(v.string("must be text"), v.regex(pattern, `must be ${what}`));
}
