// The machine's time with leaps, for what is due in minutes: how fast the machine is makes no difference to what has come due.
import { type Clock, systemClock } from "../packages/virtual-kubelet/src/clock.ts";

export interface JumpingClock extends Clock {
  /** Moves time on by so much: what falls due by that runs at once, in the order in which it is due. */
  jump(ms: number): void;
}

interface Timer {
  readonly due: number;
  readonly callback: () => void;
  cancel: () => void;
}

export function jumpingClock(): JumpingClock {
  let aheadMs = 0;
  const now = (): number => Date.now() + aheadMs;
  const timers = new Set<Timer>();
  const arm = (timer: Timer): void => {
    timer.cancel = systemClock.schedule(timer.due - now(), () => {
      timers.delete(timer);
      timer.callback();
    });
  };
  return {
    now,
    schedule(delayMs, callback) {
      const timer: Timer = { due: now() + Math.max(0, delayMs), callback, cancel: () => undefined };
      timers.add(timer);
      arm(timer);
      return () => {
        timers.delete(timer);
        timer.cancel();
      };
    },
    jump(ms) {
      aheadMs += ms;
      for (const timer of [...timers].sort((a, b) => a.due - b.due)) {
        timer.cancel();
        arm(timer);
      }
    },
  };
}
