import { expect, test } from "vitest";
import { poolKey } from "./pool-key.ts";
import { SpecPusher } from "./spec-push.ts";

const key = poolKey({ namespace: "ns", pool: "p" });

function setup() {
	const capacity: { now: number | undefined } = { now: undefined };
	const pusher = new SpecPusher(() => capacity.now);
	const become = (now: number | undefined) => {
		capacity.now = now;
		pusher.changed(key);
	};
	const open = (target?: number) => {
		const told: (number | "end")[] = [];
		const free = pusher.open(key, target, {
			send: (value) => told.push(value),
			end: () => told.push("end"),
		});
		return { told, free };
	};
	return { pusher, capacity, become, open };
}

test("the capacity when it becomes known, and each change of it, once", () => {
	const { become, open } = setup();
	const early = open();
	expect(early.told).toEqual([]);
	become(4);
	become(4);
	const late = open();
	become(8);
	become(undefined);
	become(8);
	expect([early.told, late.told]).toEqual([
		[4, 8],
		[4, 8],
	]);
});

test("a stream that opens on a change nobody told of hears the new one, and the others do too", () => {
	const { become, capacity, open } = setup();
	const early = open();
	become(4);
	capacity.now = 5;
	const late = open();
	expect([early.told, late.told]).toEqual([[4, 5], [5]]);
});

test("what the metadata says never changes", () => {
	const { become, open } = setup();
	const { told } = open(3);
	become(8);
	expect(told).toEqual([3]);
});

test("a freed stream hears nothing more, however often it is freed", () => {
	const { pusher, become, open } = setup();
	const [first, second, fixed] = [open(), open(), open(2)];
	first.free();
	first.free();
	fixed.free();
	become(4);
	pusher.stop();
	expect([first.told, second.told, fixed.told]).toEqual([[], [4, "end"], [2]]);
});

test("the stop ends all, and those that come later", () => {
	const { pusher, become, open } = setup();
	become(4);
	const streams = [open(), open(2)];
	pusher.stop();
	streams.push(open());
	become(5);
	expect(streams.map(({ told }) => told)).toEqual([[4, "end"], [2, "end"], ["end"]]);
});
