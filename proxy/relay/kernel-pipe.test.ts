import { expect, test } from "vitest";
import { KernelPipe, KernelPipes } from "./kernel-pipe.ts";

/** Pipes that take a byte at a time, and how many are open. */
function pipes() {
	let open = 0;
	const made = new KernelPipes(() => {
		open++;
		const pipe = new KernelPipe({ splice: () => 1, close: () => {} }, [-1, -1]);
		pipe.close = () => {
			open--;
		};
		return pipe;
	});
	const lend = () => {
		const pipe = made.lend();
		if (pipe === undefined) throw new Error("none left");
		return pipe;
	};
	return { made, lend, open: () => open };
}

test("an empty one is lent again; one that held something is nobody else's", () => {
	const { made, lend, open } = pipes();
	const first = lend();
	made.takeBack(first);
	expect(lend()).toBe(first);
	first.fill(0);
	made.takeBack(first);
	expect(open()).toBe(0);
	expect(lend()).not.toBe(first);
});

test("no more than 64 hold something at a time, and few wait for the next time", () => {
	const { made, lend, open } = pipes();
	const lent = Array.from({ length: 64 }, lend);
	expect(made.lend()).toBeUndefined();
	for (const pipe of lent) made.takeBack(pipe);
	expect(open()).toBe(4);
	expect(made.lend()).toBeDefined();
});

test("where the process may open no more files there is none, now", () => {
	let allowed = false;
	const made = new KernelPipes(() =>
		allowed ? new KernelPipe({ splice: () => 0, close: () => {} }, [-1, -1]) : undefined,
	);
	expect(made.lend()).toBeUndefined();
	allowed = true;
	expect(made.lend()).toBeDefined();
});
