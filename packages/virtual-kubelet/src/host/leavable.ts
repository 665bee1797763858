// Pieces of something that grows, for a reader who may leave while the next one is waited for.

/** `pieces` gets a signal that aborts with the one given, and as soon as the reader returns: what waits must not hold up who has had enough. */
export function leavable<T>(
  signal: AbortSignal,
  pieces: (signal: AbortSignal) => AsyncGenerator<T, undefined>,
): AsyncIterable<T> {
  return {
    [Symbol.asyncIterator]: () => {
      const left = new AbortController();
      const generator = pieces(AbortSignal.any([signal, left.signal]));
      return {
        next: () => generator.next(),
        return: () => {
          left.abort();
          return generator.return(undefined);
        },
      };
    },
  };
}
