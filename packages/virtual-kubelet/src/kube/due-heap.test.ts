import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DueHeap, type HeapItem } from "./due-heap.ts";

test("the earliest is always on top, whatever is pushed and removed", () => {
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ push: fc.integer({ min: 0, max: 50 }) }) },
    fc.record({ remove: fc.nat(1000) }),
    fc.record({ pop: fc.constant(true) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const heap = new DueHeap<HeapItem>();
      const model: HeapItem[] = [];
      const take = (item: HeapItem | undefined): void => {
        if (item === undefined) return;
        heap.remove(item);
        model.splice(model.indexOf(item), 1);
        assert.equal(item.heapIndex, -1);
        heap.remove(item);
      };
      for (const action of steps) {
        if ("push" in action) {
          const item: HeapItem = { due: action.push, heapIndex: -1 };
          heap.push(item);
          model.push(item);
        } else if ("remove" in action) take(model[action.remove % Math.max(1, model.length)]);
        else take(heap.peek());
        assert.equal(heap.size, model.length);
        const earliest = model.length === 0 ? undefined : Math.min(...model.map(({ due }) => due));
        assert.equal(heap.peek()?.due, earliest);
      }
      model.sort((a, b) => a.due - b.due);
      for (const { due } of [...model]) {
        assert.equal(heap.peek()?.due, due);
        take(heap.peek());
      }
    }),
    { numRuns: 500 },
  );
});

test("what fills the place of a removed item may have to go up", () => {
  const heap = new DueHeap<HeapItem>();
  const items = [0, 10, 1, 20, 21, 9, 8].map((due): HeapItem => ({ due, heapIndex: -1 }));
  for (const item of items) heap.push(item);
  for (const item of items) if (item.due === 20) heap.remove(item);
  const order: number[] = [];
  for (let top = heap.peek(); top !== undefined; top = heap.peek()) {
    order.push(top.due);
    heap.remove(top);
  }
  assert.deepEqual(order, [0, 1, 8, 9, 10, 21]);
});
