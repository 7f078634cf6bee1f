import fc from "fast-check";
import { expect, test } from "vitest";
import { WaitQueue } from "./wait-queue.ts";

test("whatever joins, leaves or comes back, the head is who joined first", () => {
	const step = fc.oneof(
		fc.constant({ t: "join" as const }),
		fc.nat().map((pick) => ({ t: "leave" as const, pick })),
		fc.nat().map((pick) => ({ t: "comeBack" as const, pick })),
		fc.constant({ t: "serve" as const }),
	);
	fc.assert(
		fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
			const queue = new WaitQueue<{ place: number }>();
			const inside: { place: number }[] = [];
			const outside: { place: number }[] = [];
			let place = 0;
			const take = (item: { place: number }) => {
				expect(queue.remove(item)).toBe(true);
				inside.splice(inside.indexOf(item), 1);
				outside.push(item);
			};
			for (const s of steps) {
				if (s.t === "join") {
					const item = { place: place++ };
					queue.add(item);
					inside.push(item);
				} else if (s.t === "serve") {
					const head = queue.head();
					if (head !== undefined) take(head);
				} else if (s.t === "leave" && inside.length > 0) {
					take(inside[s.pick % inside.length]!);
				} else if (s.t === "comeBack" && outside.length > 0) {
					const [item] = outside.splice(s.pick % outside.length, 1);
					queue.add(item!);
					inside.push(item!);
				}
				expect(queue.size).toBe(inside.length);
				expect(queue.head()).toBe(inside.toSorted((a, b) => a.place - b.place)[0]);
			}
		}),
	);
});

test("taking out what is not in changes nothing", () => {
	const queue = new WaitQueue<object>();
	queue.add({});
	expect(queue.remove({})).toBe(false);
	expect(queue.size).toBe(1);
});
