// How times and lengths are written.

/** @param {number} at epoch milliseconds */
export function clock(at) {
  return new Date(at).toISOString().slice(11, 19);
}

/** With milliseconds. @param {number} at epoch milliseconds */
export function exactClock(at) {
  return new Date(at).toISOString().slice(11, 23);
}

/** Times of the API are whole seconds. @param {number} at epoch milliseconds */
export function isWhole(at) {
  return at % 1000 === 0;
}

/** A span in two parts at most: "340 ms", "4.2 s", "3 min 10 s", "2 h 5 min". @param {number} ms */
export function span(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  return coarse(seconds);
}

/** The same in whole seconds. @param {number} ms */
export function wholeSpan(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  return seconds < 60 ? `${seconds} s` : coarse(seconds);
}

/** @param {number} seconds at least 60 */
function coarse(seconds) {
  if (seconds < 3600) return join(Math.floor(seconds / 60), "min", seconds % 60, "s");
  if (seconds < 86_400) return join(Math.floor(seconds / 3600), "h", Math.floor((seconds % 3600) / 60), "min");
  return join(Math.floor(seconds / 86_400), "d", Math.floor((seconds % 86_400) / 3600), "h");
}

/**
 * @param {number} large
 * @param {string} largeUnit
 * @param {number} small
 * @param {string} smallUnit
 */
function join(large, largeUnit, small, smallUnit) {
  return small === 0 ? `${large} ${largeUnit}` : `${large} ${largeUnit} ${small} ${smallUnit}`;
}

/** In the largest unit that says enough: "95 s", "12 min", "3 d". @param {number} ms */
export function age(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 120) return `${seconds} s`;
  if (seconds < 7200) return `${Math.floor(seconds / 60)} min`;
  return seconds < 172_800 ? `${Math.floor(seconds / 3600)} h` : `${Math.floor(seconds / 86_400)} d`;
}

/** "4 s ago", "in 12 s", "now". @param {number} at @param {number} now */
export function relative(at, now) {
  const apart = Math.abs(at - now);
  if (apart < 500) return "now";
  return at < now ? `${wholeSpan(apart)} ago` : `in ${wholeSpan(apart)}`;
}

/** @param {number} count @param {string} one @param {string} [many] */
export function counted(count, one, many = `${one}s`) {
  return `${count} ${count === 1 ? one : many}`;
}
